/** The last lines of a service's log. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

const MAX_TAIL_BYTES = 512 * 1_024

/**
 * The last lines of the log of a unit. A cell that took over from a spare writes to the spares' log; its
 * lines there are found by its pid.
 */
export function logTail(
  logFolder: string,
  unit: string,
  pid: number | null | undefined,
  lines: number,
): string[] {
  const own = tailOf(join(logFolder, `${unit}.log`))
  const spares = tailOf(join(logFolder, 'spare.log')).filter((line) => line.includes(`"pid":${pid},`))
  return [...own, ...spares].slice(-lines)
}

function tailOf(path: string): string[] {
  if (!existsSync(path)) return []
  const text = readFileSync(path)
  return text
    .subarray(Math.max(0, text.length - MAX_TAIL_BYTES))
    .toString('utf8')
    .split('\n')
    .filter((line) => line !== '')
}
