/** Lines of a text stream. */
import { createInterface } from 'node:readline'

/**
 * Calls `onLine` for each line of a stream. Errors of the stream are ignored here; the stream's owner handles
 * them.
 */
export function onLines(input: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  // readline emits the stream's errors again; without a listener they would end the process.
  createInterface({ input })
    .on('error', () => undefined)
    .on('line', onLine)
}
