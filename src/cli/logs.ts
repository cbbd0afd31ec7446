/** `kintsugi logs`: the log files of the processes, merged by time; with `--follow` also what is appended. */
import { closeSync, existsSync, openSync, readdirSync, readSync, statSync, watch } from 'node:fs'
import { basename, join, resolve } from 'node:path'
import { cellsOf, servicesOf } from '../fleet/catalogue/profiles.ts'
import { files, readPlan } from '../processes/run/run-plan.ts'
import { SERVICE_NEEDS } from '../processes/services.gen.ts'
import { KintsugiError } from '../std/errors.ts'
import { color, dateTime } from './format.ts'
import type { DataOptions } from './run.ts'
import { serviceNamed } from './service-name.ts'

const TAIL_BYTES = 256 * 1024
const NAME_WIDTH = 20
const LEVELS: Readonly<Record<number, string>> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: color.yellow('warn'),
  50: color.red('error'),
  60: color.red('fatal'),
}

/** Prints the last lines of a service's log, or of all logs. Throws `not-found` or `unknown-service`. */
export function logs(
  service: string | undefined,
  options: DataOptions & { lines: number; follow?: boolean },
): void {
  const folder = files(resolve(options.data)).logs
  const all = existsSync(folder) ? readdirSync(folder).filter((name) => name.endsWith('.log')) : []
  if (all.length === 0) throw new KintsugiError('not-found', `there are no logs in ${folder}`)
  const wanted = service === undefined ? all : logsOf(service, all, resolve(options.data))
  const lines = wanted.flatMap((name) =>
    tail(join(folder, name)).map((line) => ({ name: basename(name, '.log'), line, time: timeOf(line) })),
  )
  lines.sort((a, b) => a.time - b.time)
  for (const { name, line } of lines.slice(-options.lines)) show(name, line, options.json === true)
  if (options.follow) for (const name of wanted) follow(join(folder, name), options.json === true)
}

/** The log files of a service and of its process, also after the fleet has stopped. */
function logsOf(input: string, all: readonly string[], dataFolder: string): string[] {
  const cells = existsSync(files(dataFolder).plan)
    ? readPlan(dataFolder).cells
    : cellsOf(servicesOf('complete', Object.keys(SERVICE_NEEDS)), 'cell')
  const processes = all.map((name) => basename(name, '.log'))
  const service = serviceNamed(input, [
    ...new Set([...processes, ...cells.flatMap(({ services }) => services)]),
  ])
  const cell = cells.find(({ services }) => services.includes(service))?.id
  const wanted = all.filter((name) => name === `${service}.log` || name === `${cell}.log`)
  if (wanted.length === 0)
    throw new KintsugiError('not-found', `there is no log of ${service}`, {
      hint: `logs: ${processes.join(', ')}`,
    })
  return wanted
}

function follow(path: string, json: boolean): void {
  let at = statSync(path).size
  watch(path, () => {
    const { size } = statSync(path)
    if (size < at) at = 0
    for (const line of read(path, at, size - at).split('\n'))
      if (line !== '') show(basename(path, '.log'), line, json)
    at = size
  })
}

function tail(path: string): string[] {
  const { size } = statSync(path)
  return read(path, Math.max(0, size - TAIL_BYTES), Math.min(size, TAIL_BYTES))
    .split('\n')
    .filter((line) => line !== '')
}

function read(path: string, from: number, length: number): string {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(Math.max(0, length))
  readSync(fd, buffer, 0, buffer.length, from)
  closeSync(fd)
  return buffer.toString('utf8')
}

function timeOf(line: string): number {
  return Number(/"time":(\d+)/.exec(line)?.[1] ?? 0)
}

function show(name: string, line: string, json: boolean): void {
  if (json) console.log(line.startsWith('{') ? line : JSON.stringify({ process: name, msg: line }))
  else console.log(logLine(name, line))
}

/** A log line for people: local date and time with milliseconds, process, level, message, other fields. */
export function logLine(name: string, line: string): string {
  const process = color.cyan(name.padEnd(NAME_WIDTH))
  try {
    const { time, level, msg, pid: _, process: __, ...rest } = JSON.parse(line)
    const millis = String(time % 1_000).padStart(3, '0')
    return [
      color.dim(`${dateTime(time)}.${millis}`),
      process,
      LEVELS[level] ?? level,
      ...(msg ? [msg] : []),
      ...(Object.keys(rest).length > 0 ? [color.dim(JSON.stringify(rest))] : []),
    ].join(' ')
  } catch {
    return `${' '.repeat('2026-11-24 09:05:12.000'.length)} ${process} ${line}`
  }
}
