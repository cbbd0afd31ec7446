/** Logs as lines of JSON: a time, a level, where the line comes from, a message and its facts. */
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { LOG_LEVELS, type Log, type LogLevel } from '../../ports/service.ts'

/** Whether a line of `level` is at least as important as `least`. */
export const isAtLeast = (level: LogLevel, least: LogLevel): boolean =>
  LOG_LEVELS.indexOf(level) >= LOG_LEVELS.indexOf(least)

/** Where a line comes from. */
export interface LogSource {
  /** The name under which the supervisor knows the process, or its role. */
  readonly process: string
  readonly pid: number
  /** The unit that the process runs: a cell, a piece of infrastructure, `spare`. */
  readonly unit: string
  /** The service that wrote the line; absent for the process as a whole. */
  readonly service?: string
}

export interface JsonLogOptions {
  /** Less important lines are not written. */
  readonly level: LogLevel
  source(): LogSource
  write(line: string): void
  /** ms since 1970. */
  now(): number
}

/** A log that writes lines of JSON. A field of the same name replaces one of the source, or the time. */
export function jsonLog({ level: least, source, write, now }: JsonLogOptions): Log {
  const at = (level: LogLevel) => (fields: object, msg: string) => {
    if (!isAtLeast(level, least)) return
    const line = { time: new Date(now()).toISOString(), level, ...source(), ...fields, msg }
    write(`${JSON.stringify(line, (_key, item) => (typeof item === 'bigint' ? String(item) : item))}\n`)
  }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}

/** The log file of a service, a unit, or a keeping process. */
export const logFile = (folder: string, name: string): string => join(folder, `${name}.log`)

/** Appends to a file. A line that cannot be written, for example to a full disk, is dropped. */
export function appendTo(path: string): (line: string) => void {
  return (line) => {
    try {
      appendFileSync(path, line, { mode: 0o600 })
    } catch {
      // A log must not end its process.
    }
  }
}
