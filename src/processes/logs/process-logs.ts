/** The logs of one process: its own in the file of its unit, and one file per service. */
import type { Log } from '../../ports/service.ts'
import { appendTo, type JsonLogOptions, jsonLog, type LogSource, logFile } from './json-log.ts'

/** The unit of a process that does not know its unit yet. */
const SPARE = 'spare'

export interface ProcessLogsOptions
  extends Pick<JsonLogOptions, 'level' | 'now'>,
    Pick<LogSource, 'process' | 'pid'> {
  /** The folder of the log files. */
  readonly folder: string
  /** Absent: a spare. */
  readonly unit?: string
}

export class ProcessLogs {
  readonly #options: ProcessLogsOptions
  #unit: string
  /** The log of the process as a whole. */
  readonly own: Log

  constructor(options: ProcessLogsOptions) {
    this.#options = options
    this.#unit = options.unit ?? SPARE
    this.own = this.#log(() => this.#unit)
  }

  /** The log of a service, in the same file in whichever process the service runs. */
  of(service: string): Log {
    return this.#log(() => service, { service })
  }

  /** The process runs this unit from now on. */
  join(unit: string): void {
    this.#unit = unit
  }

  #log(fileName: () => string, more: Pick<LogSource, 'service'> = {}): Log {
    const { folder, level, now, process, pid } = this.#options
    return jsonLog({
      level,
      now,
      source: () => ({ process, pid, unit: this.#unit, ...more }),
      write: (line) => appendTo(logFile(folder, fileName()))(line),
    })
  }
}
