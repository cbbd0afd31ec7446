/** Runs operating-system processes through the keeper, which holds the sockets that they listen on. */
import { connect, type Socket } from 'node:net'
import { type ExitCause, exitCause } from '../../fleet/exit-cause.ts'
import { type FromKeeper, jsonLines, type ToKeeper } from '../links/protocol.ts'
import { identityOf, isAlive, type ProcessIdentity, signalTo } from '../process-identity.ts'
import type { Driver, DriverEvents } from './driver.ts'

/** How a process is started. */
export interface Launch {
  readonly command: string
  readonly args: readonly string[]
  /** Absent: the keeper's own environment. */
  readonly env?: NodeJS.ProcessEnv
  readonly uid?: number | undefined
  readonly gid?: number | undefined
  /** Whether it inherits the listening sockets. */
  readonly sockets: boolean
  /** Whether it inherits the descriptor of the signing key. */
  readonly key: boolean
  readonly stopSignal: NodeJS.Signals
}

/** Options of the driver for operating-system processes. */
export interface ProcessDriverOptions extends DriverEvents {
  readonly keeperPath: string
  launchOf(unit: string | null, heapMb?: number): Launch
  now(): number
}

const RETRY_MS = 20
const BEAT_MS = 500
/** Keeper and watcher restart each other within this time; without a keeper for longer, both have ended. */
const LOST_MS = 6_000
/** A requested process that has not been seen after this time did not start. */
const UNSEEN_MS = 5_000

/** A driver for operating-system processes. */
export class ProcessDriver implements Driver {
  readonly #options: ProcessDriverOptions
  readonly #identities = new Map<string, ProcessIdentity>()
  /** When each process was requested of the keeper, until it is seen. */
  readonly #requested = new Map<string, number>()
  /** Processes to kill as soon as their pid is known. */
  readonly #doomed = new Set<string>()
  #children = new Set<string>()
  /** Pids of the keeper and its watcher. */
  peers: { readonly keeper: number | null; readonly watcher: number | null } = { keeper: null, watcher: null }
  #keeper: Socket | undefined
  #waiting: ToKeeper[] = []
  #lostAt: number
  #ended = false
  #met = Promise.withResolvers<void>()

  constructor(options: ProcessDriverOptions) {
    this.#options = options
    this.#lostAt = options.now()
    this.#connect()
    setInterval(() => this.#send({ op: 'beat' }, false), BEAT_MS).unref()
  }

  ready(): Promise<void> {
    return this.#met.promise
  }

  spawn(process: string, unit: string | null, heapMb?: number): void {
    const { stopSignal: _, ...launch } = this.#options.launchOf(unit, heapMb)
    this.#requested.set(process, this.#options.now())
    this.#send({ op: 'spawn', process, log: unit ?? 'spare', ...launch })
  }

  kill(process: string): void {
    const identity = this.#identities.get(process)
    if (identity) signalTo(identity, 'SIGKILL')
    else this.#doomed.add(process)
  }

  terminate(process: string, unit: string): void {
    const identity = this.#identities.get(process)
    if (identity) signalTo(identity, this.#options.launchOf(unit).stopSignal)
    else this.#doomed.add(process)
  }

  pidOf(process: string): number | null {
    return this.#identities.get(process)?.pid ?? null
  }

  met(process: string, pid: number): void {
    this.#requested.delete(process)
    if (this.#identities.get(process)?.pid !== pid) this.#identities.set(process, identityOf(pid))
    if (this.#doomed.delete(process)) this.kill(process)
  }

  check(): boolean {
    const now = this.#options.now()
    const orphans = [...this.#identities].filter(([process]) => !this.#children.has(process))
    for (const [process, identity] of orphans)
      if (!isAlive(identity)) this.#gone(process, { kind: 'unobserved' })
    if (this.#keeper)
      for (const [process, at] of this.#requested)
        if (now - at > UNSEEN_MS)
          this.#gone(process, { kind: 'not-started', reason: `not seen within ${UNSEEN_MS} ms` })
    if (!this.#keeper && !this.#ended && now - this.#lostAt > LOST_MS) {
      this.#ended = true
      this.#options.onLost()
    }
    return orphans.length > 0 || this.#requested.size > 0 || !this.#keeper
  }

  remember(): Record<string, ProcessIdentity> {
    return Object.fromEntries(this.#identities)
  }

  async resume(remembered: unknown, expected: readonly string[]): Promise<string[]> {
    await this.#met.promise
    for (const [process, identity] of Object.entries(remembered as Record<string, ProcessIdentity>)) {
      if (!this.#identities.has(process) && isAlive(identity)) this.#identities.set(process, identity)
    }
    return expected.filter((process) => !this.#identities.has(process))
  }

  end(): void {
    this.#ended = true
    this.#send({ op: 'end' })
  }

  #connect(): void {
    const socket = connect(this.#options.keeperPath)
    socket.setEncoding('utf8')
    socket.on('connect', () => {
      this.#keeper = socket
      const waiting = this.#waiting
      this.#waiting = []
      for (const message of waiting) this.#send(message)
    })
    socket.on('error', () => undefined)
    socket.on(
      'data',
      jsonLines<FromKeeper>((message) => this.#receive(message)) as unknown as (chunk: Buffer) => void,
    )
    socket.on('close', () => {
      if (this.#keeper === socket) {
        this.#lostAt = this.#options.now()
        // Its children outlive it: their exits are polled from now on.
        this.#children = new Set()
      }
      this.#keeper = undefined
      if (!this.#ended) setTimeout(() => this.#connect(), RETRY_MS)
    })
  }

  #receive(message: FromKeeper): void {
    switch (message.type) {
      case 'superfluous':
        process.exit(0)
        break
      case 'children':
        for (const child of message.children) {
          this.#children.add(child.process)
          this.met(child.process, child.pid)
        }
        this.#met.resolve()
        break
      case 'peers':
        this.peers = { keeper: message.keeper, watcher: message.watcher }
        break
      case 'spawned':
        this.#children.add(message.process)
        this.met(message.process, message.pid)
        break
      case 'exited':
        this.#gone(message.process, exitCause(message.code, message.signal))
    }
  }

  #gone(process: string, cause: ExitCause): void {
    const known = this.#identities.delete(process)
    const requested = this.#requested.delete(process)
    this.#children.delete(process)
    this.#doomed.delete(process)
    if (known || requested) this.#options.onExit(process, cause)
  }

  #send(message: ToKeeper, keep = true): void {
    if (this.#keeper?.writable) this.#keeper.write(`${JSON.stringify(message)}\n`)
    else if (keep) this.#waiting.push(message)
  }
}
