/** Checks of this machine: disk, clock, programs, ports. */
import { accessSync, constants, existsSync, statfsSync } from 'node:fs'
import { createServer } from 'node:net'
import { dirname, join } from 'node:path'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { foundryBinary, postgresFolder } from '../binaries.ts'
import type { Finding } from './finding.ts'

/** Less free space ends a start: logs and the embedded database need it within minutes. */
const MIN_FREE_BYTES = 200_000_000
/** No fleet of this version ran before: an earlier clock is wrong. */
const EARLIEST = Date.UTC(2026, 0, 1)
/** A block that is later than the clock, or older, by more than this shows a wrong clock or an old node. */
const MAX_AHEAD_SECONDS = 30
const MAX_AGE_SECONDS = 300

/** Free bytes of the file system of a folder. */
const freeOf = (folder: string): number => {
  const { bavail, bsize } = statfsSync(folder)
  return bavail * bsize
}

/** Whether the data folder can be written and has space; it may not exist yet. */
export function checkDisk(dataFolder: string, free: (folder: string) => number = freeOf): Finding {
  const finding = { subject: 'disk', value: dataFolder }
  let folder = dataFolder
  while (!existsSync(folder)) folder = dirname(folder)
  try {
    accessSync(folder, constants.W_OK | constants.X_OK)
  } catch {
    return {
      ...finding,
      level: 'fault',
      found: `${folder} cannot be written by this user`,
      advice: 'name another folder with --data, or change its owner',
    }
  }
  const megabytes = Math.round(free(folder) / 1e6)
  if (megabytes * 1e6 < MIN_FREE_BYTES)
    return {
      ...finding,
      level: 'fault',
      found: `${megabytes} MB free, at least ${MIN_FREE_BYTES / 1e6} MB are needed`,
      advice: 'free disk space, or name another folder with --data',
    }
  return { ...finding, level: 'ok', found: `${megabytes.toLocaleString('en')} MB free` }
}

/** Whether the clock, in ms since 1970, can be right. */
export function checkClock(now: number): Finding {
  const finding = { subject: 'clock', value: new Date(now).toISOString() }
  return now >= EARLIEST
    ? { ...finding, level: 'ok', found: 'plausible' }
    : {
        ...finding,
        level: 'fault',
        found: `the clock is before ${new Date(EARLIEST).toISOString().slice(0, 10)}`,
        advice: 'set the clock of this machine, for example by NTP',
      }
}

/** How far the clock (ms since 1970) is from the time of a block (seconds), in words; undefined if near. */
export function clockDifference(
  now: number,
  head: { readonly number: number; readonly timestamp: number },
): { readonly found: string; readonly advice: string } | undefined {
  const age = Math.round(now / 1_000 - head.timestamp)
  if (age < -MAX_AHEAD_SECONDS)
    return {
      found: `block ${head.number} is ${-age} s later than the clock of this machine`,
      advice: 'set the clock, for example by NTP',
    }
  if (age > MAX_AGE_SECONDS)
    return {
      found: `block ${head.number}, the latest one, is ${age} s old`,
      advice: 'the node is not in sync, or the clock of this machine is ahead',
    }
  return undefined
}

/** Whether a program that the fleet starts is installed and may be executed. */
export function checkProgram(name: 'anvil' | 'postgres', env: NodeJS.ProcessEnv = process.env): Finding {
  const subject = name
  try {
    const path =
      name === 'anvil' ? foundryBinary('anvil', env) : join(postgresFolder(env), 'bin', postgresFile)
    accessSync(path, constants.X_OK)
    return { level: 'ok', subject, value: '', found: path }
  } catch (error) {
    return {
      level: 'fault',
      subject,
      value: '',
      found: error instanceof KintsugiError ? error.message : `not executable (${messageOf(error)})`,
      advice: (error instanceof KintsugiError ? error.hint : undefined) ?? 'run `npm ci` again',
    }
  }
}

const postgresFile = process.platform === 'win32' ? 'postgres.exe' : 'postgres'

/** A port that the fleet binds, and what for. */
export interface WantedPort {
  readonly host: string
  readonly port: number
  readonly name: string
}

/** Those of `ports` that cannot be bound; each is bound for a moment. */
export async function unavailablePorts(ports: readonly WantedPort[]): Promise<WantedPort[]> {
  const free = await Promise.all(ports.map(canBind))
  return ports.filter((_, index) => !free[index])
}

function canBind({ host, port }: WantedPort): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(false))
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)))
  })
}
