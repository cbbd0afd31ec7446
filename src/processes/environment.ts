/** What every process of a run starts from: the plan, the ports that its services need, and its log. */
import { ConnectedServers } from '../adapters/connections/connected-servers.ts'
import { PostgresAuditLog } from '../adapters/ledger/audit-log.ts'
import { ServiceKeys } from '../adapters/access/service-keys.ts'
import { IssuerVerifier } from '../adapters/access/issuer-tokens.ts'
import { TokenIssuer, TokenVerifier } from '../adapters/access/tokens.ts'
import { readBatch } from '../engine/pool-reader.ts'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import pino from 'pino'
import { HubBus } from '../adapters/bus/hub-client.ts'
import { RedisBus } from '../adapters/bus/redis.ts'
import type { Chain, Hex } from '../ports/chain.ts'
import { endpointName, FailoverChain } from '../adapters/chain/failover.ts'
import { JsonRpcChain } from '../adapters/chain/json-rpc.ts'
import { JsonRpcRelay } from '../adapters/chain/relay.ts'
import { fleetControl } from '../adapters/fleet/control.ts'
import { type ConnectionPool, connectionPool } from '../adapters/ledger/pool.ts'
import { PostgresLedger } from '../adapters/ledger/postgres.ts'
import { PostgresRecords } from '../adapters/records/postgres.ts'
import { metricsSource } from '../adapters/metrics/prometheus.ts'
import { ProcessSigner } from '../adapters/signer/process-signer.ts'
import { rpcVariable } from '../engine/chains/names.ts'
import { MarketReplica } from '../engine/market.ts'
import { LoanBook } from '../engine/loan-book.ts'
import type { Log } from '../mcp/define.ts'
import { type AccessPolicy, hashToken, LOOPBACK_NAMES } from '../mcp/access.ts'
import type { Bus } from '../ports/bus.ts'
import type { MarketManifest } from '../ports/manifest.ts'
import type { Telemetry } from '../ports/telemetry.ts'
import type { PortName, Ports } from '../ports/ports.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import { packageRoot } from '../std/package-root.ts'
import { processCommand, signerEnvironment } from './command.ts'
import { outliveOutput } from './output.ts'
import { files, type RunPlan, readPlan, socketPath } from './run-plan.ts'

export interface Environment {
  readonly plan: RunPlan
  readonly log: Log & { flush?(): void }
  readonly access: AccessPolicy
  /** What is derived from it is the same in every process of the fleet. */
  readonly secret: string | undefined
  /** Our own token, for calls of other services. */
  bearer(): string | undefined
}

/** Reads the plan named by KINTSUGI_DATA. */
export function processEnvironment(name: string): Environment {
  const plan = readPlan(process.env.KINTSUGI_DATA as string)
  const tokenFile = files(plan.dataFolder).token
  const token = existsSync(tokenFile) ? readFileSync(tokenFile, 'utf8').trim() : undefined
  outliveOutput()
  const verifier = new TokenVerifier(tokenFiles(plan))
  const serviceKeys = new ServiceKeys(files(plan.dataFolder).serviceKeys, name, Date.now)
  const logFile = pino.destination({ fd: 1, sync: true })
  logFile.on('error', () => undefined)
  const oauth = plan.settings.oauth && {
    issuer: plan.settings.oauth.issuer,
    resource: plan.settings.oauth.audience ?? `http://127.0.0.1:${plan.ports.coordination_system}/mcp`,
  }
  const issuer =
    oauth &&
    new IssuerVerifier({
      issuer: oauth.issuer,
      audience: oauth.resource,
      jwksUrl: plan.settings.oauth?.jwksUrl ?? undefined,
      now: Date.now,
      onNote: (note) => log.warn({}, note),
    })
  const beyondLoopback = !/^(127\.|::1$)/.test(plan.settings.bindHost)
  const log = pino({ level: plan.settings.logLevel, base: { process: name, pid: process.pid } }, logFile)
  return {
    plan,
    secret: token,
    bearer: () => serviceKeys.token(),
    log,
    access: {
      tokenHash: token === undefined ? undefined : hashToken(token),
      verify: async (given) => (await verifier.verify(given)) ?? issuer?.verify(given),
      ...(oauth ? { oauth } : {}),
      service: (given) => serviceKeys.verify(given),
      required: plan.settings.authRequired,
      beyondLoopback,
      hostnames: beyondLoopback ? [...LOOPBACK_NAMES, plan.settings.bindHost, ...Object.keys(plan.ports)] : LOOPBACK_NAMES,
    },
  }
}

/** Who collects spans and metrics; its code is loaded only where somebody does. */
export async function openTelemetry({ plan }: Environment, instance: string): Promise<Telemetry | undefined> {
  const { telemetryUrl } = plan.settings
  if (telemetryUrl === null) return undefined
  const { OpenTelemetry } = await import('../adapters/telemetry/open-telemetry.ts')
  return new OpenTelemetry({ endpoint: telemetryUrl, version: plan.version, instance })
}

/** Where the tokens' keys lie: the issuer's own, and those that everyone checks with. */
function tokenFiles({ dataFolder }: RunPlan) {
  const { tokenKeys, tokenIssuer } = files(dataFolder)
  return { publicPath: tokenKeys, privatePath: tokenIssuer, now: Date.now }
}

/** The ledger's address: the user's, or the embedded one's with the password from the data folder. */
export function ledgerUrl(plan: RunPlan): string {
  if (plan.external.database) return process.env.DATABASE_URL as string
  return `postgres://kintsugi:${readFileSync(join(plan.dataFolder, 'postgres.password'), 'utf8')}@127.0.0.1:${plan.databasePort}/postgres`
}

function openChain({ plan, log }: Pick<Environment, 'plan' | 'log'>): Chain {
  const timeoutMs = plan.settings.requestTimeoutMs
  if (plan.external.chain) {
    const endpoints = (process.env[rpcVariable(plan.chain)] as string)
      .split(',')
      .map((url) => ({ name: endpointName(url.trim()), chain: new JsonRpcChain({ url: url.trim(), timeoutMs, pending: plan.settings.followPending }) }))
    return new FailoverChain(endpoints, { budget: plan.settings.rpcBudget, now: Date.now, random: Math.random, onNote: (note) => log.warn({}, note) })
  }
  return new JsonRpcChain({ url: `ws://127.0.0.1:${plan.chainPort}`, httpUrl: `http://127.0.0.1:${plan.chainPort}`, timeoutMs })
}

const artifact = (name: string) => JSON.parse(readFileSync(join(packageRoot(), 'contracts/artifacts', `${name}.json`), 'utf8')) as { bytecode: Hex; deployedBytecode: Hex }

/** Runtime code of contracts/src/MarketReader.sol. */
export const marketReaderCode = (): Hex => artifact('MarketReader').deployedBytecode
/** Creation code of contracts/src/KintsugiExecutor.sol, without what its constructor is told. */
export const executorCode = (): Hex => artifact('KintsugiExecutor').bytecode

export function openBus(plan: RunPlan, redisUrl = process.env.REDIS_URL): Bus {
  return plan.external.redis ? new RedisBus(redisUrl as string) : new HubBus(socketPath(plan.dataFolder, 'hub'))
}

/** Connections to the ledger's database. */
export function openDatabase({ plan, log }: Environment, most: number): ConnectionPool {
  return connectionPool(ledgerUrl(plan), most, (error) => log.warn({ error: error.message }, 'a connection to the database was lost'))
}

/** A block is read by every process that follows the market: those that no trade waits for let the others go first. */
const PATIENCE_MS = 60
/** To the database, of one process at once. */
const CONNECTIONS = 4

/** The ports of one process, each opened when first asked for and shared by its services. */
export class PortSet {
  readonly #environment: Environment
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

  constructor(environment: Environment, signal: AbortSignal) {
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
    const { plan, bearer, log } = this.#environment
    const portOf = (service: string) => plan.ports[service]
    switch (name) {
      case 'chain': {
        const chain = openChain(this.#environment)
        this.#closers.push(() => chain.close())
        return chain
      }
      case 'ledger':
        return new PostgresLedger({ pool: this.#database(), batchSize: plan.settings.batchSize })
      case 'bus': {
        const bus = openBus(plan)
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
        const replica = new MarketReplica({ chain, manifest, readerCode, batch: readBatch(plan.settings.batchSize), now: Date.now, patienceMs: () => this.#patienceMs })
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
    return (process.env.RELAY_URLS as string)
      .split(',')
      .map((url) => new JsonRpcRelay({ url: url.trim(), name: endpointName(url.trim()), timeoutMs: plan.settings.requestTimeoutMs, identify: (digest) => signer.identify(digest) }))
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
