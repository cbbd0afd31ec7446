/** The processes of a simulated machine, and the CPU that they get. */
import type { ThreadFacts } from '../healing/waiting.ts'

/** The main thread of a simulated process, accounted for as a kernel does. */
export class SimulatedThread {
  /** Pieces of work that it wants to do. */
  #work = 0
  /** A process that hangs: it spins without an end, or sleeps for ever. */
  #stuck: 'spins' | 'sleeps' | undefined
  #ranMs = 0
  #waitedMs = 0
  #at: number
  #share: number

  constructor(at: number, share: number) {
    this.#at = at
    this.#share = share
  }

  /** It begins or ends a piece of work. */
  work(pieces: 1 | -1, at: number): void {
    this.#settle(at)
    this.#work += pieces
  }

  hang(how: 'spins' | 'sleeps', at: number): void {
    this.#settle(at)
    this.#stuck = how
  }

  /** From now on a runnable thread gets this share of a CPU. */
  setShare(share: number, at: number): void {
    this.#settle(at)
    this.#share = share
  }

  facts(at: number): ThreadFacts {
    this.#settle(at)
    return { state: this.#runnable ? 'runnable' : 'asleep', ranMs: this.#ranMs, waitedMs: this.#waitedMs }
  }

  get #runnable(): boolean {
    return this.#stuck === undefined ? this.#work > 0 : this.#stuck === 'spins'
  }

  #settle(at: number): void {
    const ms = at - this.#at
    this.#at = at
    if (!this.#runnable) return
    this.#ranMs += ms * this.#share
    this.#waitedMs += ms * (1 - this.#share)
  }
}

/** A process of a simulated machine. */
export interface SimulatedProcess {
  readonly name: string
  /** The unit that it was spawned for; null for a spare. */
  readonly unit: string | null
  readonly bornAt: number
  /** The machine's time when it began. */
  readonly bornMachineAt: number
  readonly thread: SimulatedThread
  services: string[]
  /** Services whose exclusive work waits for `begin`. */
  readonly held: Set<string>
  /** It answers 503 for a quarantined unit. */
  standsIn: boolean
  hungAt: number | undefined
  draining: boolean
  /** It lost a connection and does not restore it. */
  stuck: boolean
  /** Its messages are lost until then. */
  deafUntil: number
  /** The machine's time when it was last told to reconnect. */
  reconnectAt: number
}

/**
 * The time of a machine: of each span, the share that a runnable process got. Work that takes 100 ms on a
 * free CPU takes 100 ms of it.
 */
export class MachineTime {
  #ms = 0
  #at = 0
  #share = 1

  get share(): number {
    return this.#share
  }

  setShare(share: number, at: number): void {
    this.#ms = this.read(at)
    this.#at = at
    this.#share = share
  }

  read(at: number): number {
    return this.#ms + (at - this.#at) * this.#share
  }
}
