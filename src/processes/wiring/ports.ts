/** The ports of a process: what its services need of the outside, each opened when it is first asked for. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { TokenIssuer } from '../../adapters/access/tokens.ts'
import { HubBus } from '../../adapters/bus/hub-client.ts'
import { endpointName, FailoverChain } from '../../adapters/chain/failover.ts'
import { JsonRpcChain } from '../../adapters/chain/json-rpc.ts'
import { JsonRpcRelay } from '../../adapters/chain/relay.ts'
import { fleetControl } from '../../adapters/fleet/control-client.ts'
import { PostgresAuditLog } from '../../adapters/ledger/audit-log.ts'
import type { ConnectionPool } from '../../adapters/ledger/pool.ts'
import { postgresLedger } from '../../adapters/ledger/postgres.ts'
import { metricsSource } from '../../adapters/metrics/prometheus.ts'
import { PostgresRecords } from '../../adapters/records/postgres.ts'
import { ProcessSigner } from '../../adapters/signer/process-signer.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import { readBatch } from '../../engine/market/pool-reader.ts'
import { MarketReplica } from '../../engine/market/replica.ts'
import { LoanBook } from '../../engine/trading/loan-book.ts'
import type { Bus } from '../../ports/bus.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import type { MarketManifest } from '../../ports/manifest.ts'
import type { PortName, Ports } from '../../ports/ports.ts'
import type { Telemetry } from '../../ports/telemetry.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { packageRoot } from '../../std/package-root.ts'
import { processCommand, signerEnvironment } from '../run/command.ts'
import { files, socketPath, tokenFiles } from '../run/run-plan.ts'
import { openBus } from './bus.ts'
import { openDatabase } from './database.ts'
import type { Environment } from './environment.ts'

/** Who collects spans and metrics; its code is loaded only where somebody does. */
export async function openTelemetry({ plan }: Environment, instance: string): Promise<Telemetry | undefined> {
  const { telemetryUrl } = plan.settings
  if (telemetryUrl === null) return undefined
  const { OpenTelemetry } = await import('../../adapters/telemetry/open-telemetry.ts')
  return new OpenTelemetry({ endpoint: telemetryUrl, version: plan.version, instance })
}

function openChain({ plan, log }: Environment): Chain {
  const timeoutMs = plan.settings.requestTimeoutMs
  if (plan.external.chain) {
    const endpoints = (process.env[rpcVariable(plan.chain)] as string).split(',').map((url) => ({
      name: endpointName(url.trim()),
      chain: new JsonRpcChain({ url: url.trim(), timeoutMs, pending: plan.settings.followPending }),
    }))
    return new FailoverChain(endpoints, {
      budget: plan.settings.rpcBudget,
      now: Date.now,
      random: Math.random,
      onNote: (note) => log.warn({}, note),
    })
  }
  return new JsonRpcChain({
    url: `ws://127.0.0.1:${plan.chainPort}`,
    httpUrl: `http://127.0.0.1:${plan.chainPort}`,
    timeoutMs,
  })
}

const artifact = (name: string) =>
  JSON.parse(readFileSync(join(packageRoot(), 'contracts/artifacts', `${name}.json`), 'utf8')) as {
    bytecode: Hex
    deployedBytecode: Hex
  }

/** Runtime code of contracts/src/MarketReader.sol. */
export const marketReaderCode = (): Hex => artifact('MarketReader').deployedBytecode
/** Creation code of contracts/src/KintsugiExecutor.sol, without what its constructor is told. */
export const executorCode = (): Hex => artifact('KintsugiExecutor').bytecode

/** A block is read by every process that follows the market: those that no trade waits for let the others go first. */
const PATIENCE_MS = 60

/** To the database, of one process at once. */
const CONNECTIONS = 4

/** The environment, and our own token where services of ours are called. */
export interface PortsEnvironment extends Environment {
  bearer?(): string | undefined
}

/** The ports of one process, each opened when first asked for and shared by its services. */
export class PortSet {
  readonly #environment: PortsEnvironment
  readonly #opened = new Map<PortName, Promise<unknown>>()
  readonly #closers: (() => void | Promise<void>)[] = []
  readonly #signal: AbortSignal
  #replica: MarketReplica | undefined
  #bus: Bus | undefined
  #confirmation: Promise<void> | undefined
  #pool: ConnectionPool | undefined
  #patienceMs = PATIENCE_MS
  /** What keeps a port from being ready, by port. */
  readonly waiting = new Map<PortName, string>()

  constructor(environment: PortsEnvironment, signal: AbortSignal) {
    this.#environment = environment
    this.#signal = signal
  }

  open<N extends PortName>(name: N): Promise<Ports[N]> {
    let port = this.#opened.get(name)
    if (!port) {
      port = this.#open(name)
      this.#opened.set(name, port)
    }
    return port as Promise<Ports[N]>
  }

  /** How long this process leaves a new block to others, in ms: 0 where trades wait for it. */
  set patienceMs(value: number) {
    this.#patienceMs = value
  }

  /** Something we stand on is back. The ledger's pool connects when it is used; the chain's client looks by itself, often. */
  reconnect(to: string): void {
    if (to === 'hub' && this.#bus instanceof HubBus) this.#bus.reconnect()
  }

  /** Loses the bus for a while, for trying out healing. */
  disconnect(ms: number): void {
    if (this.#bus instanceof HubBus) this.#bus.interrupt(ms)
  }

  /** A signer that stood by for nothing ends. */
  dropSigner(): void {
    const signer = this.#opened.get('signer') as Promise<Ports['signer']> | undefined
    this.#opened.delete('signer')
    signer?.then((each) => each.close()).catch(() => undefined)
  }

  /** Brings a replica that a spare has held for a while up to this moment. */
  async confirmMarket(): Promise<void> {
    const replica = this.#replica
    if (!replica) return
    // Services that are hosted at the same time ask once.
    this.#confirmation ??= replica.confirm().finally(() => {
      this.#confirmation = undefined
    })
    await this.#confirmation
  }

  async close(): Promise<void> {
    for (const close of this.#closers.reverse()) await close()
  }

  /** Shared by everything that is kept there; ended after what uses it. */
  #database(): ConnectionPool {
    if (!this.#pool) {
      const pool = openDatabase(this.#environment, CONNECTIONS)
      this.#pool = pool
      this.#closers.unshift(() => pool.end())
    }
    return this.#pool
  }

  async #open(name: PortName): Promise<unknown> {
    const { plan, bearer = () => undefined, log } = this.#environment
    const portOf = (service: string) => plan.ports[service]
    switch (name) {
      case 'chain': {
        const chain = openChain(this.#environment)
        this.#closers.push(() => chain.close())
        return chain
      }
      case 'ledger':
        return postgresLedger({ pool: this.#database(), batchSize: plan.settings.batchSize })
      case 'bus': {
        const bus = await openBus(plan)
        this.#bus = bus
        this.#closers.push(() => bus.close())
        return bus
      }
      case 'market':
        return this.#market()
      case 'loans':
        return this.#loans()
      case 'relays':
        return this.#relays()
      case 'fleet':
        return fleetControl({ socketPath: socketPath(plan.dataFolder, 'control'), portOf, bearer })
      case 'metrics':
        return metricsSource(portOf, bearer)
      case 'audit':
        return new PostgresAuditLog(this.#database(), files(plan.dataFolder).witnesses)
      case 'records':
        return new PostgresRecords(this.#database(), Date.now)
      case 'connections': {
        const { ConnectedServers } = await import('../../adapters/connections/connected-servers.ts')
        const connected = new ConnectedServers(await this.open('ledger'), (note) => log.warn({}, note))
        this.#closers.push(() => connected.close())
        return connected
      }
      case 'access':
        return new TokenIssuer(tokenFiles(plan))
      case 'signer': {
        if (plan.mode === 'paper') return noSigner
        const signer = new ProcessSigner({
          ...processCommand('signer'),
          env: signerEnvironment(plan.dataFolder),
          ...(process.env.KINTSUGI_KEY_FD ? { keyFd: Number(process.env.KINTSUGI_KEY_FD) } : {}),
        })
        this.#closers.push(() => signer.close())
        log.debug({}, 'signer started')
        return signer
      }
    }
  }

  /** The replica, as soon as there is a market to read: tried again until the chain and its manifest agree. */
  async #market(): Promise<MarketReplica> {
    const { plan } = this.#environment
    const chain = await this.open('chain')
    const readerCode = marketReaderCode()
    for (;;) {
      this.#signal.throwIfAborted()
      try {
        const manifest = JSON.parse(readFileSync(files(plan.dataFolder).manifest, 'utf8')) as MarketManifest
        const replica = new MarketReplica({
          chain,
          manifest,
          readerCode,
          batch: readBatch(plan.settings.batchSize),
          now: Date.now,
          patienceMs: () => this.#patienceMs,
        })
        await replica.start()
        this.#replica = replica
        this.waiting.delete('market')
        this.#closers.push(() => replica.stop())
        return replica
      } catch (error) {
        this.waiting.set('market', `the market cannot be read yet: ${messageOf(error)}`)
        await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
  }

  /** Private relays, which are told who asks by the signer: with a key of their own that holds nothing. */
  async #relays(): Promise<Ports['relays']> {
    const { plan } = this.#environment
    if (!plan.external.relays) return []
    const signer = await this.open('signer')
    return (process.env.RELAY_URLS as string).split(',').map(
      (url) =>
        new JsonRpcRelay({
          url: url.trim(),
          name: endpointName(url.trim()),
          timeoutMs: plan.settings.requestTimeoutMs,
          identify: (digest) => signer.identify(digest),
        }),
    )
  }

  async #loans(): Promise<Ports['loans']> {
    const [market, chain] = await Promise.all([this.open('market'), this.open('chain')])
    const book = new LoanBook(chain, market)
    await book.start()
    this.#closers.push(() => book.stop())
    return book
  }
}

/** On paper nothing is signed, so no process holds a key. */
const refuse = () => Promise.reject(new KintsugiError('signer-refused', 'nothing is signed in paper mode'))
const noSigner: Ports['signer'] = { account: refuse, sign: refuse, identify: refuse, close: () => undefined }
