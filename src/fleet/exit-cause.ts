/** How a process ended, as data. Code decides by the cause; `describeExit` is for people. */

/** Why a process ended. */
export type ExitCause =
  | { readonly kind: 'exit'; readonly code: number }
  | { readonly kind: 'signal'; readonly signal: string }
  /** The kernel killed it because memory ran out: its own failure, unlike other kills. */
  | { readonly kind: 'out-of-memory' }
  /** The process never ran, or was never seen. */
  | { readonly kind: 'not-started'; readonly reason: string }
  /** The engine that ran it removed it: a deleted container, an evicted pod. */
  | { readonly kind: 'removed'; readonly reason: string }
  /** It ended while no supervisor could observe its exit status. */
  | { readonly kind: 'unobserved' }

/** Signals that end a process from outside; all others (SIGSEGV, SIGABRT, ...) are its own failure. */
const EXTERNAL_SIGNALS: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM', 'SIGINT'])

/** Exit codes by which shells and container engines report a signal: 128 and its number. */
const SIGNAL_OF_CODE: Readonly<Record<number, string>> = {
  134: 'SIGABRT',
  137: 'SIGKILL',
  139: 'SIGSEGV',
  143: 'SIGTERM',
}

/** The cause for the exit code and signal that Node reports; exactly one of them is null. */
export function exitCause(code: number | null, signal: string | null): ExitCause {
  if (signal !== null) return { kind: 'signal', signal }
  return code === null ? { kind: 'unobserved' } : { kind: 'exit', code }
}

/** The cause for an exit code that a shell or a container engine reports. */
export function exitCauseOfCode(code: number): ExitCause {
  return exitCause(code, SIGNAL_OF_CODE[code] ?? null)
}

/** Whether the process was ended from outside, so that its own calls are not suspects. */
export function wasKilledFromOutside(cause: ExitCause): boolean {
  return cause.kind === 'signal' && EXTERNAL_SIGNALS.has(cause.signal)
}

/** The cause in words, for incidents and status details. */
export function describeExit(cause: ExitCause): string {
  switch (cause.kind) {
    case 'exit':
      return `exited with code ${cause.code}`
    case 'signal':
      return `killed by ${cause.signal}`
    case 'out-of-memory':
      return 'killed by the kernel: out of memory'
    case 'not-started':
      return `not started: ${cause.reason}`
    case 'removed':
      return `removed: ${cause.reason}`
    case 'unobserved':
      return 'ended; its exit status is unknown'
  }
}
