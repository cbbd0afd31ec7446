/** The messages between the supervisor, the fleet's processes and the keeper, as lines of JSON. */
import type { Progress } from '../../fleet/alarms.ts'
import type { ServiceHealth } from '../../fleet/healing/state.ts'
import type { PortName } from '../../ports/ports.ts'

/**
 * The descriptor of the first inherited listening socket: after stdin, stdout, stderr and the channel between
 * keeper and watcher.
 */
export const FIRST_SOCKET_FD = 4

/** A service to host, and where it listens. */
export interface Opening {
  readonly id: string
  /** The inherited socket; null if the process binds the service's port itself. */
  readonly fd: number | null
  /** The port of a further instance. */
  readonly port?: number
}

/** A message to a process. */
export type ToChild =
  /** `hold`: exclusive work waits for `begin`. */
  | { type: 'host'; unit: string; services: Opening[]; hold: boolean }
  | { type: 'begin' }
  /** Stop some services and keep the others. */
  | { type: 'release'; services: string[] }
  /** Answer 503 on the ports of quarantined services. */
  | { type: 'stand-in'; services: Opening[]; reason: string }
  /** A dependency has recovered: reconnect now. */
  | { type: 'reconnect'; to: string }
  /** Whether the machine is overloaded; the first message on each connection. */
  | { type: 'overload'; on: boolean }
  /** Collect garbage and report the heap that is left. */
  | { type: 'collect' }
  /** Inject a fault, if the fleet allows it. */
  | { type: 'chaos'; fault: InternalFault }
  | ({ type: 'outages' } & Outages)
  | { type: 'stop' }

/** What is out, in words for people. */
export interface Outages {
  /** By port: for which external service it waits, and why. */
  readonly ports: Readonly<Partial<Record<PortName, string>>>
  /** For what the market waits, and why, before it can be read; null once it can. */
  readonly market: string | null
}

/** Faults that a process injects into itself. */
export type InternalFault =
  | { kind: 'leak'; bytesPerSecond: number; seconds: number }
  | { kind: 'slow'; ms: number; seconds: number }
  | { kind: 'hang'; ms: number }
  | { kind: 'disconnect'; seconds: number }

/** Measurements of a process: bytes, ms, and counts since its start. */
export interface Vitals {
  readonly rss: number
  readonly heapUsed: number
  /** The heap limit. */
  readonly heapLimit: number
  /** The longest delay of the event loop since the last heartbeat. */
  readonly loopDelayMs: number
  readonly cpuMs: number
  readonly services: Readonly<Record<string, ServiceVitals>>
}

/**
 * Calls of one service since the start of its process; `running` are in flight, `shed` requests were answered
 * as overloaded.
 */
export interface ServiceVitals {
  readonly calls: number
  readonly errors: number
  readonly durationMs: number
  readonly running: number
  readonly shed: number
}

/** A message from a process. */
export type FromChild =
  | { type: 'hello'; process: string; pid: number }
  /** The code is loaded: the process can host at once. */
  | { type: 'loaded' }
  /** The warm-up is complete. */
  | { type: 'warm' }
  | { type: 'heartbeat'; services: ServiceHealth[]; vitals?: Vitals; progress?: readonly Progress[] }
  /** Exclusive work has ended in this process. */
  | { type: 'released' }
  | { type: 'chain'; pid: number | null; genesis: string | null }
  | { type: 'collected'; heapUsed: number[] }
  /** A service could not start, or failed. */
  | { type: 'failed'; service: string; message: string }

/** Requests of the supervisor to the keeper. */
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
  /** Everything is stopped: keeper and watcher exit. */
  | { op: 'end' }

/** A message from the keeper. */
export type FromKeeper =
  | { type: 'children'; children: { process: string; pid: number }[] }
  /** Pids of the processes that hold the sockets. */
  | { type: 'peers'; keeper: number; watcher: number | null }
  | { type: 'spawned'; process: string; pid: number }
  | { type: 'exited'; process: string; code: number | null; signal: NodeJS.Signals | null }
  /** Another supervisor is connected already. */
  | { type: 'superfluous' }

/** Returns a function that parses chunks of text as lines of JSON. Lines that are not JSON are dropped. */
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
