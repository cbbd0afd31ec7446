/** The log of a process whose standard output is its log file. */
import type { Log, LogLevel } from '../../ports/service.ts'
import { jsonLog } from './json-log.ts'

/** The log of a keeping process or of a piece of infrastructure; `name` is that of the process. */
export const standardOutputLog = (
  unit: string,
  level: LogLevel,
  name = process.env.KINTSUGI_PROCESS ?? unit,
): Log =>
  jsonLog({
    level,
    source: () => ({ process: name, pid: process.pid, unit }),
    write: (line) => process.stdout.write(line),
    now: Date.now,
  })
