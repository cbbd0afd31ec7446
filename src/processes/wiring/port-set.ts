/** The hexagonal ports of a process, joined with their adapters. TCP ports are in the run plan. */
import { TokenIssuer } from '../../adapters/access/tokens.ts'
import { HubBus } from '../../adapters/bus/hub-client.ts'
import { fleetControl } from '../../adapters/fleet/fleet-control.ts'
import { HaltFile } from '../../adapters/halt-file.ts'
import { PostgresAuditLog } from '../../adapters/ledger/audit-log.ts'
import type { ConnectionPool } from '../../adapters/ledger/pool.ts'
import { postgresLedger } from '../../adapters/ledger/postgres.ts'
import { metricsSource } from '../../adapters/metrics/prometheus.ts'
import { PostgresRecords } from '../../adapters/records/postgres.ts'
import type { MarketReplica } from '../../engine/market/replica.ts'
import { LoanBook } from '../../engine/trading/loan-book.ts'
import type { Bus } from '../../ports/bus.ts'
import type { PortName, Ports } from '../../ports/ports.ts'
import type { Outages } from '../../supervisor/links/protocol.ts'
import type { Pace } from '../cell/cell-service.ts'
import { files, socketPath, tokenFiles } from '../run/run-plan.ts'
import { openBus } from './bus.ts'
import { openChain } from './chain.ts'
import { openDatabase } from './database.ts'
import type { Environment } from './environment.ts'
import { followMarket } from './market.ts'
import { openRelays, openSigner } from './signing.ts'

/**
 * Every process that follows the market reads each block: one that no trade waits for reads it this much
 * later. A spare, and every process of an overloaded machine, reads several blocks at once.
 */
const READ_DELAY_MS = 60
const STANDBY_READ_DELAY_MS = 10_000
const OVERLOADED_READ_DELAY_MS = 5_000
/** Connections of one process to the database. */
const DATABASE_CONNECTIONS = 4

/** Ports that are closed when no service needs them, each before those that it uses itself. */
const DROPPED: readonly { readonly name: PortName; readonly neededBy: readonly PortName[] }[] = [
  { name: 'signer', neededBy: ['signer', 'relays'] },
  { name: 'loans', neededBy: ['loans'] },
  { name: 'market', neededBy: ['market', 'loans'] },
  { name: 'chain', neededBy: ['chain', 'market', 'loans'] },
]

function closed(port: unknown): void {
  const { stop, close } = port as { stop?(): void; close?(): void }
  if (stop) stop.call(port)
  else close?.call(port)
}

/** The environment, and the process's own token for calls to other services. */
export interface PortsEnvironment extends Environment {
  bearer?(): string | undefined
}

/** The ports of one process, each opened when first requested and shared by its services. */
export class PortSet {
  readonly #environment: PortsEnvironment
  readonly #opened = new Map<PortName, Promise<unknown>>()
  readonly #closers: (() => void | Promise<void>)[] = []
  readonly #signal: AbortSignal
  readonly #readDelayMs: number
  #replica: MarketReplica | undefined
  #bus: Bus | undefined
  #confirmation: Promise<void> | undefined
  #pool: ConnectionPool | undefined
  readonly pace: Pace = { urgent: false, standby: false, overloaded: false }
  /** Why a port is not open yet, by port. */
  readonly waiting = new Map<PortName, string>()
  #outages: Outages = { ports: {}, market: null }
  readonly #recoveries = new Set<() => void>()

  /**
   * Opening a port that waits for the market ends when `signal` aborts. `readDelayMs`: how long it leaves a
   * new block to others.
   */
  constructor(environment: PortsEnvironment, signal: AbortSignal, readDelayMs = READ_DELAY_MS) {
    this.#environment = environment
    this.#readDelayMs = readDelayMs
    this.#signal = signal
  }

  /** How long this process leaves a new block to others, in ms. */
  get readDelayMs(): number {
    const { urgent, standby, overloaded } = this.pace
    if (standby) return STANDBY_READ_DELAY_MS
    if (overloaded) return OVERLOADED_READ_DELAY_MS
    return urgent ? 0 : this.#readDelayMs
  }

  /** Opens a port, once; throws what its adapter throws. */
  open<N extends PortName>(name: N): Promise<Ports[N]> {
    let port = this.#opened.get(name)
    if (!port) {
      port = this.#open(name)
      this.#opened.set(name, port)
    }
    return port as Promise<Ports[N]>
  }

  /**
   * A dependency is back. Only the hub is reconnected: the database's pool and the chain's client retry by
   * themselves.
   */
  reconnect(dependency: string): void {
    if (dependency === 'hub' && this.#bus instanceof HubBus) this.#bus.reconnect()
  }

  /** What is out, as the supervisor reports it. Connections to a service that is back are renewed. */
  setOutages(outages: Outages): void {
    const before = this.#outages
    this.#outages = outages
    if (before.ports.bus !== undefined && outages.ports.bus === undefined) this.#bus?.reopen?.()
    for (const look of [...this.#recoveries]) look()
  }

  /** For what a service with these needs waits outside this process, and why; undefined if for nothing. */
  outageOf(needs: readonly PortName[]): string | undefined {
    const { ports } = this.#outages
    const out = needs.find((need) => ports[need] !== undefined)
    if (out !== undefined) return ports[out]
    return needs.includes('market') && this.waiting.has('market')
      ? (this.#outages.market ?? undefined)
      : undefined
  }

  /** Resolves once nothing that these needs are behind is out. */
  recovered(needs: readonly PortName[]): Promise<void> {
    return new Promise((resolve) => {
      const look = () => {
        if (this.outageOf(needs) !== undefined) return
        this.#recoveries.delete(look)
        resolve()
      }
      this.#recoveries.add(look)
      look()
    })
  }

  /** Interrupts the connection to the hub, for fault injection. */
  disconnect(ms: number): void {
    if (this.#bus instanceof HubBus) this.#bus.interrupt(ms)
  }

  /**
   * Closes what a spare opened in advance and no service needs: the signer, and the replicas of the market
   * with their connection. Other ports cost almost nothing.
   */
  async keepOnly(needs: ReadonlySet<PortName>): Promise<void> {
    const needless = DROPPED.filter(({ neededBy }) => !neededBy.some((name) => needs.has(name)))
    const opened = needless.map(({ name }) => this.#opened.get(name))
    for (const { name } of needless) this.#opened.delete(name)
    if (needless.some(({ name }) => name === 'market')) this.#replica = undefined
    for (const port of opened) await port?.then(closed, () => undefined)
  }

  /**
   * Reads the chain's head, so that a replica a spare has followed is current. Concurrent calls share one
   * read.
   */
  async confirmMarket(): Promise<void> {
    const replica = this.#replica
    if (!replica) return
    this.#confirmation ??= replica.confirm().finally(() => {
      this.#confirmation = undefined
    })
    await this.#confirmation
  }

  /** Closes what is open, the last opened first and the database last. */
  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close()
  }

  async #open(name: PortName): Promise<unknown> {
    const { plan, bearer = () => undefined, log } = this.#environment
    const tcpPortOf = (service: string) => plan.ports[service]
    switch (name) {
      case 'chain':
        return this.#closing(openChain(this.#environment))
      case 'ledger':
        return postgresLedger({ pool: this.#database(), batchSize: plan.settings.batchSize })
      case 'bus':
        this.#bus = this.#closing(await openBus(plan))
        return this.#bus
      case 'market':
        return this.#market()
      case 'loans':
        return this.#loans()
      case 'relays':
        return plan.external.relays ? openRelays(this.#environment, await this.open('signer')) : []
      case 'fleet':
        return fleetControl({
          socketPath: socketPath(plan.dataFolder, 'control'),
          portOf: tcpPortOf,
          bearer,
        })
      case 'metrics':
        return metricsSource(tcpPortOf, bearer)
      case 'audit':
        return new PostgresAuditLog(this.#database(), files(plan.dataFolder).witnesses)
      case 'halt':
        return new HaltFile(files(plan.dataFolder).halt, Date.now)
      case 'records':
        return new PostgresRecords(this.#database(), Date.now)
      case 'connections': {
        const { ConnectedServers } = await import('../../adapters/connections/connected-servers.ts')
        return this.#closing(new ConnectedServers(await this.open('ledger'), (note) => log.warn({}, note)))
      }
      case 'access':
        return new TokenIssuer(tokenFiles(plan))
      case 'signer':
        return this.#closing(openSigner(this.#environment))
    }
  }

  async #market(): Promise<MarketReplica> {
    const replica = await followMarket(this.#environment, {
      chain: await this.open('chain'),
      signal: this.#signal,
      readDelayMs: () => this.readDelayMs,
      onWaiting: (reason) => this.waiting.set('market', reason),
    })
    this.waiting.delete('market')
    this.#replica = replica
    this.#closers.push(() => replica.stop())
    return replica
  }

  async #loans(): Promise<Ports['loans']> {
    const [market, chain] = await Promise.all([this.open('market'), this.open('chain')])
    const book = new LoanBook(chain, market)
    await book.start()
    this.#closers.push(() => book.stop())
    return book
  }

  /** The connections that everything in the database shares; ended after what uses them. */
  #database(): ConnectionPool {
    if (!this.#pool) {
      const pool = openDatabase(this.#environment, DATABASE_CONNECTIONS)
      this.#pool = pool
      this.#closers.unshift(() => pool.end())
    }
    return this.#pool
  }

  #closing<T extends { close(): void | Promise<void> }>(port: T): T {
    this.#closers.push(() => port.close())
    return port
  }
}
