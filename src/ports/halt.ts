/** The halt of trading: while it is in force, nothing is signed and nothing is sent. */

/** A halt in force. */
export interface Halt {
  /** Who halted: the subject of a token, a user of this machine, or a signal. */
  readonly by: string
  /** ms since 1970. */
  readonly at: number
  /** Why, for people. */
  readonly reason: string
}

/** Halts and resumes trading, across restarts of every process. Errors: `file-unreadable`. */
export interface TradingHalt {
  /** The halt in force; undefined while trading runs. A state that cannot be read counts as a halt. */
  current(): Halt | undefined
  /** Halts trading; an earlier halt stays as it is. Returns the halt in force. */
  halt(by: string, reason: string): Halt
  /**
   * Ends the halt that began at `at`, and returns it. Throws `conflict` if none, or another one, is in force:
   * the caller has not seen it.
   */
  resume(at: number): Halt
}

/** `halted by ada at 2026-11-24T14:06:02Z: maintenance`. */
export const haltText = ({ by, at, reason }: Halt): string =>
  `halted by ${by} at ${new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')}: ${reason}`
