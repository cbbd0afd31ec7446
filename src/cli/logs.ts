/** `kintsugi logs`: the lines of a service, a process or all, merged by time, and as they are written. */
import { closeSync, existsSync, openSync, readSync, statSync, watch } from 'node:fs'
import { resolve } from 'node:path'
import { cellsOf, servicesOf } from '../fleet/catalogue/profiles.ts'
import type { LogLevel } from '../ports/service.ts'
import { isAtLeast, logFile } from '../processes/logs/json-log.ts'
import { isOf, type LogLine, logNames, parseLog, readLog } from '../processes/logs/log-reader.ts'
import { files, readPlan } from '../processes/run/run-plan.ts'
import { SERVICE_NEEDS } from '../processes/services.gen.ts'
import { color } from './format.ts'
import type { DataOptions } from './run.ts'
import { serviceNamed } from './service-name.ts'

const NAME_WIDTH = 22
const LEVEL_WIDTH = 5
const COLORS: Readonly<Partial<Record<LogLevel, (text: string) => string>>> = {
  warn: color.yellow,
  error: color.red,
  fatal: color.red,
}

export interface LogsOptions extends DataOptions {
  lines: number
  follow?: boolean
  /** ms since 1970. */
  since?: number
  level?: LogLevel
}

/**
 * Prints the last lines of a service, of a process, or of all. Where there is none, says so on stderr. Throws
 * `unknown-service`.
 */
export function logs(name: string | undefined, options: LogsOptions): void {
  const dataFolder = resolve(options.data)
  const folder = files(dataFolder).logs
  const cells = cellsIn(dataFolder)
  const services = cells.flatMap((cell) => cell.services)
  const wanted =
    name === undefined
      ? undefined
      : serviceNamed(name, [...new Set([...logNames(folder), ...services, ...cells.map(({ id }) => id)])])
  const isWanted = (line: LogLine) =>
    (wanted === undefined || isOf(wanted, line)) &&
    isAtLeast(line.level, options.level ?? 'trace') &&
    line.at >= (options.since ?? 0)
  const found = logNames(folder)
    .flatMap((file) => readLog(folder, file))
    .filter(isWanted)
    .sort((a, b) => a.at - b.at)
  const print = (line: LogLine) => console.log(options.json ? asJson(line) : logLine(line))
  for (const line of found.slice(-options.lines)) print(line)
  if (found.length === 0) console.error(nothing(wanted, folder, options, cells))
  if (options.follow) follow(folder, (line) => isWanted(line) && print(line))
}

type Cells = readonly { readonly id: string; readonly services: readonly string[] }[]

/** The cells of the running fleet; of a complete one if none runs. */
const cellsIn = (dataFolder: string): Cells =>
  existsSync(files(dataFolder).plan)
    ? readPlan(dataFolder).cells
    : cellsOf(servicesOf('complete', Object.keys(SERVICE_NEEDS)), 'cell')

function nothing(
  wanted: string | undefined,
  folder: string,
  { level, since }: LogsOptions,
  cells: Cells,
): string {
  const limits = [
    ...(level === undefined ? [] : [`at level ${level} or above`]),
    ...(since === undefined ? [] : [`since ${new Date(since).toISOString()}`]),
  ]
  const cell = cells.find(({ id, services }) => id !== wanted && services.some((id) => id === wanted))
  return [
    `no line of ${wanted ?? 'any process'}${limits.map((limit) => ` ${limit}`).join('')} in ${folder}`,
    ...(cell === undefined
      ? []
      : [`${color.dim('hint')}  its process has a log of its own: kintsugi logs ${cell.id}`]),
  ].join('\n')
}

/** Calls `onLine` for each line that is appended to a log file of the folder, whole lines only. */
function follow(folder: string, onLine: (line: LogLine) => void): void {
  const read = new Map(logNames(folder).map((name) => [name, statSync(logFile(folder, name)).size]))
  watch(folder, () => {
    for (const name of logNames(folder)) {
      const path = logFile(folder, name)
      const { size } = statSync(path)
      const before = read.get(name) ?? 0
      // A log that was truncated starts again.
      const from = size < before ? 0 : before
      const text = readPart(path, from, size - from)
      const end = text.lastIndexOf('\n') + 1
      read.set(name, from + Buffer.byteLength(text.slice(0, end)))
      for (const line of parseLog(name, text.slice(0, end))) onLine(line)
    }
  })
}

function readPart(path: string, from: number, length: number): string {
  const fd = openSync(path, 'r')
  const buffer = Buffer.alloc(length)
  const bytes = readSync(fd, buffer, 0, length, from)
  closeSync(fd)
  return buffer.toString('utf8', 0, bytes)
}

const asJson = ({ text, file, at, level, msg }: LogLine): string =>
  text.startsWith('{') ? text : JSON.stringify({ time: isoTime(at), level, unit: file, msg })

/** Empty for a line without a time. */
const isoTime = (at: number): string => (at === 0 ? '' : new Date(at).toISOString())

/** A line for people: time, level, service or process, message, facts. */
export function logLine({ at, level, service, unit, file, msg, fields }: LogLine): string {
  const paint = COLORS[level] ?? ((text: string) => text)
  return [
    color.dim(isoTime(at).padEnd('2026-11-24T09:05:12.000Z'.length)),
    paint(level.padEnd(LEVEL_WIDTH)),
    color.cyan((service ?? unit ?? file).padEnd(NAME_WIDTH)),
    msg,
    ...(Object.keys(fields).length > 0 ? [color.dim(JSON.stringify(fields))] : []),
  ].join(' ')
}
