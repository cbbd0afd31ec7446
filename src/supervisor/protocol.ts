/** What the supervisor and its processes say to each other over the inherited channel. */

/** The first descriptor of a handed-over listening socket in a child: after stdin, stdout, stderr and the channel. */
export const FIRST_SOCKET_FD = 4

export type ToChild =
  | { type: 'host'; cell: string; services: { id: string; fd: number }[] }
  /** Answers 503 on the ports of services that are set aside. */
  | { type: 'stand-in'; services: { id: string; fd: number }[]; reason: string }
  | { type: 'stop' }

export interface ServiceHealth {
  readonly id: string
  readonly ready: boolean
  readonly reason?: string
}

export type FromChild =
  /** The code is loaded: it can host at once. */
  | { type: 'loaded' }
  | { type: 'heartbeat'; loopDelayMs: number; services: ServiceHealth[] }
  | { type: 'chain'; pid: number | null; genesis: string | null }
  | { type: 'failed'; message: string }

export const HEARTBEAT_MS = 1_000
/** A process that has not been heard of for this long, beyond the supervisor's own lag, hangs. */
export const HEARTBEAT_DEADLINE_MS = 3_000
