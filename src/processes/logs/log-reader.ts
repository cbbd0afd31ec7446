/** Reading log files: lines of JSON, lines of PostgreSQL, and what a process printed beside its log. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { basename } from 'node:path'
import { LOG_LEVELS, type LogLevel } from '../../ports/service.ts'
import { type LogSource, logFile } from './json-log.ts'

/** One line of a log file. */
export interface LogLine extends Partial<LogSource> {
  /** ms since 1970; of a line without a time, that of the line before it, or 0. */
  readonly at: number
  readonly level: LogLevel
  readonly msg: string
  /** The facts of the line, without its source. */
  readonly fields: Readonly<Record<string, unknown>>
  /** The name of the file, without its ending. */
  readonly file: string
  /** The line as it was written. */
  readonly text: string
}

/** The names of all log files of a folder, without their ending. */
export const logNames = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.log'))
        .map((name) => basename(name, '.log'))
    : []

/** The lines of a log file, in its order; none if there is no such file. */
export function readLog(folder: string, name: string): LogLine[] {
  const path = logFile(folder, name)
  return existsSync(path) ? parseLog(name, readFileSync(path, 'utf8')) : []
}

/** The lines of a part of a log file. */
export function parseLog(file: string, text: string): LogLine[] {
  let at = 0
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const parsed = parseLine(file, line, at)
      at = parsed.at
      return parsed
    })
}

/**
 * Whether a line is of a service, a unit or a keeping process: by its source, or by its file if it has none.
 */
export const isOf = (name: string, { service, unit, process, file }: LogLine): boolean =>
  service === name || unit === name || process === name || (process === undefined && file === name)

/** The last lines of a service, a unit or a keeping process, as they were written, oldest first. */
export const logTail = (folder: string, name: string, lines: number): string[] =>
  readLog(folder, name)
    .filter((line) => isOf(name, line))
    .slice(-lines)
    .map(({ text }) => text)

function parseLine(file: string, text: string, before: number): LogLine {
  return (
    fromJson(file, text) ??
    fromPostgres(file, text) ?? { at: before, level: 'info', msg: text, fields: {}, file, text }
  )
}

function fromJson(file: string, text: string): LogLine | undefined {
  if (!text.startsWith('{')) return undefined
  let line: Record<string, unknown>
  try {
    line = JSON.parse(text) as Record<string, unknown>
  } catch {
    return undefined
  }
  const { time, level, process, pid, unit, service, msg, ...fields } = line
  const at = Date.parse(String(time))
  if (Number.isNaN(at) || !isLevel(level)) return undefined
  return {
    at,
    level,
    ...(typeof process === 'string' ? { process } : {}),
    ...(typeof pid === 'number' ? { pid } : {}),
    ...(typeof unit === 'string' ? { unit } : {}),
    ...(typeof service === 'string' ? { service } : {}),
    msg: String(msg ?? ''),
    fields,
    file,
    text,
  }
}

const POSTGRES = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d\.\d{3}) UTC \[(\d+)\] (\w+): {2}(.*)$/
const POSTGRES_LEVELS: Readonly<Record<string, LogLevel>> = {
  WARNING: 'warn',
  ERROR: 'error',
  FATAL: 'error',
  PANIC: 'fatal',
}

function fromPostgres(file: string, text: string): LogLine | undefined {
  const [, day, clock, pid, severity = '', msg = ''] = POSTGRES.exec(text) ?? []
  if (day === undefined) return undefined
  return {
    at: Date.parse(`${day}T${clock}Z`),
    level: POSTGRES_LEVELS[severity] ?? 'info',
    pid: Number(pid),
    msg,
    fields: {},
    file,
    text,
  }
}

const isLevel = (value: unknown): value is LogLevel => (LOG_LEVELS as readonly unknown[]).includes(value)
