/** A process goes on without its log: one that cannot be written, on a full disk, must not end it. */
export function ignoreOutputErrors(): void {
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined)
}
