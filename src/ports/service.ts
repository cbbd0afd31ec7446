/** The common parts of every service: a log, and background work that stops with it. */

/** A structured log. `fields` are machine-readable facts; `message` is for people. */
export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** The levels of log lines, from the least to the most important. */
export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal'] as const
/** The level of a log line. */
export type LogLevel = (typeof LOG_LEVELS)[number]

/** Background work of a service; stopped with it. */
export interface Background {
  stop(): void | Promise<void>
}
