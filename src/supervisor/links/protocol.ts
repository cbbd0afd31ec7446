/** What the supervisor and the fleet's processes say to each other, as lines of JSON over the supervisor's socket. */
import type { ServiceHealth } from '../../fleet/healing/state.ts'

/** The first descriptor of a handed-over listening socket in a child: after stdin, stdout, stderr and the channel of keeper and watcher. */
export const FIRST_SOCKET_FD = 4

export interface Opening {
  readonly id: string
  /** The held socket; null where the process binds the service's port itself. */
  readonly fd: number | null
  /** A port of its own, for instances beyond the first. */
  readonly port?: number
}

export type ToChild =
  /** `hold`: what only one process may do waits for `begin`. */
  | { type: 'host'; unit: string; services: Opening[]; hold: boolean }
  | { type: 'begin' }
  /** Lets go of some services and keeps the others. */
  | { type: 'release'; services: string[] }
  /** Answers 503 on the ports of services that are set aside. */
  | { type: 'stand-in'; services: Opening[]; reason: string }
  /** Something it stands on is back: connect now. */
  | { type: 'reconnect'; to: string }
  /** Collects its garbage and says what is left. */
  | { type: 'collect' }
  /** For trying out healing, where the fleet allows it. */
  | { type: 'chaos'; harm: Harm }
  | { type: 'stop' }

/** What a process can be made to suffer from within. */
export type Harm =
  | { kind: 'leak'; bytesPerSecond: number; seconds: number }
  | { kind: 'slow'; ms: number; seconds: number }
  | { kind: 'hang'; ms: number }
  | { kind: 'disconnect'; seconds: number }

/** How a process fares. Bytes, ms, and counts since its start. */
export interface Vitals {
  readonly rss: number
  readonly heapUsed: number
  /** Where the heap would end. */
  readonly heapLimit: number
  /** The longest delay of the event loop since the last beat. */
  readonly loopDelayMs: number
  readonly cpuMs: number
  readonly services: Readonly<Record<string, ServiceVitals>>
}

export interface ServiceVitals {
  readonly calls: number
  readonly errors: number
  readonly durationMs: number
  readonly running: number
}

export type FromChild =
  | { type: 'hello'; process: string; pid: number }
  /** The code is loaded: it can host at once. */
  | { type: 'loaded' }
  /** Everything that can be done beforehand is done. */
  | { type: 'warm' }
  | { type: 'heartbeat'; services: ServiceHealth[]; vitals?: Vitals }
  /** What only one process may do has ended here. */
  | { type: 'released' }
  | { type: 'chain'; pid: number | null; genesis: string | null }
  | { type: 'collected'; heapUsed: number[] }
  /** A service could not start, or broke down. */
  | { type: 'failed'; service: string; message: string }

/** What the supervisor asks of the keeper. */
export type ToKeeper =
  | { op: 'beat' }
  | {
      op: 'spawn'
      process: string
      command: string
      args: readonly string[]
      env?: NodeJS.ProcessEnv
      uid?: number | undefined
      gid?: number | undefined
      log: string
      sockets: boolean
      key: boolean
    }
  /** Everything is stopped: end, and the watcher with you. */
  | { op: 'end' }

export type FromKeeper =
  | { type: 'children'; children: { process: string; pid: number }[] }
  /** Who holds the sockets now. */
  | { type: 'peers'; keeper: number; watcher: number | null }
  | { type: 'spawned'; process: string; pid: number }
  | { type: 'exited'; process: string; code: number | null; signal: NodeJS.Signals | null }
  /** Another supervisor is here already. */
  | { type: 'superfluous' }

/** A reader of lines of JSON. What is no JSON is dropped. */
export function jsonLines<T>(onMessage: (message: T) => void): (chunk: string) => void {
  let rest = ''
  return (chunk) => {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() as string
    for (const line of lines) {
      let message: T
      try {
        message = JSON.parse(line) as T
      } catch {
        continue
      }
      onMessage(message)
    }
  }
}
