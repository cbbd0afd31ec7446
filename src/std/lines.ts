/** Text that comes in pieces, line by line. */
import { createInterface } from 'node:readline'

/** Calls `onLine` for each line of a stream. Its errors are the stream's own to report: none is thrown here. */
export function onLines(input: NodeJS.ReadableStream, onLine: (line: string) => void): void {
  // A reader of lines says its stream's errors once more, and would end the process where nobody listens.
  createInterface({ input })
    .on('error', () => undefined)
    .on('line', onLine)
}
