/** One service of a cell: its socket answers from the start, its tools once its ports are open. */
import type { IncomingMessage, Server } from 'node:http'
import type { Duplex } from 'node:stream'
import { createAdaptorServer } from '@hono/node-server'
import type { Progress } from '../../fleet/alarms.ts'
import { catalogueEntry, titleOf } from '../../fleet/catalogue/catalogue.ts'
import type { ServiceHealth } from '../../fleet/healing/state.ts'
import type {
  AgentDefinition,
  AnyDefinition,
  MainContext,
  MainDefinition,
  ServerDefinition,
  ServiceContext,
} from '../../mcp/define.ts'
import type { CallObserver } from '../../mcp/host/call-recorder.ts'
import { type HostOptions, host } from '../../mcp/host/host.ts'
import type { PortName, Ports } from '../../ports/ports.ts'
import type { Opening } from '../../supervisor/links/protocol.ts'
import { DRAIN_TIMING, stopAccepting } from './draining.ts'
import { listen, listenAlso } from './listening.ts'
import { answerWhileStarting, type FetchHandler } from './placeholders.ts'
import { Shedding } from './shedding.ts'
import { CallCounts } from './vitals.ts'

const KEEP_ALIVE_MS = 65_000

/** What decides how soon a process reads a new block. */
export interface Pace {
  /** Trades wait for it. */
  urgent: boolean
  /** A spare: nobody uses its market yet. */
  standby: boolean
  /** The machine is overloaded. */
  overloaded: boolean
}

/** The ports of the process, as services need them. */
export interface ServicePorts {
  open<N extends PortName>(name: N): Promise<Ports[N]>
  /** Why a port is not open yet, by port. */
  readonly waiting: ReadonlyMap<PortName, string>
  /** For what a service with these needs waits outside this process, and why; undefined if for nothing. */
  outageOf(needs: readonly PortName[]): string | undefined
  /** Reads the chain's head, so that the market is current. */
  confirmMarket(): Promise<void>
  readonly pace: Pace
}

/** Options of the host that are the same for every service of the cell. */
export type SharedHostOptions = Omit<
  HostOptions,
  'title' | 'category' | 'port' | 'readiness' | 'observer' | 'agent' | 'state'
>

/** The context that a service gets from its cell. */
export interface CellEnvironment {
  readonly ports: ServicePorts
  readonly bindHost: string
  /** TCP port of a service. */
  tcpPortOf(service: string): number
  readonly requestTimeoutMs: number
  /** The context of a service; its log has a file of its own. */
  contextOf(service: string): ServiceContext
  readonly host: SharedHostOptions
  mainContext(context: ServiceContext, readiness: MainContext['readiness']): MainContext
  /** The calls in flight, on disk. */
  readonly callRecord: { begin(service: string, tool: string): void; end(service: string): void }
  /** Delays `work` while a fault is injected. */
  delay<T>(work: () => T | Promise<T>): Promise<T>
}

/** Whether two processes may serve it at once for a moment: a server may, a singleton or an agent may not. */
const mayOverlap = (definition: AnyDefinition) =>
  definition.kind === 'main' || (definition.kind === 'server' && !definition.singleton)

export class CellService {
  readonly id: string
  readonly server: Server
  readonly counts: CallCounts
  readonly #shedding: Shedding
  readonly #definition: AnyDefinition
  readonly #opening: Opening
  readonly #environment: CellEnvironment
  readonly #context: ServiceContext
  /** Why it is not ready; undefined once it has started. */
  #failure: string | undefined = 'starting'
  /** Waits until its predecessor has stopped. */
  #held: boolean
  readonly #started = Promise.withResolvers<FetchHandler>()
  #fetch: FetchHandler = (request, env) => this.#whileStarting(request, env)
  #upgrade: ((request: IncomingMessage, socket: Duplex, head: Buffer) => void) | undefined
  #unready: (() => string | undefined) | undefined
  #progress: (() => Progress) | undefined
  #stop: () => Promise<void> = () => Promise.resolve()

  /** `hold`: a predecessor still runs; a singleton then waits for it before it listens. */
  constructor(definition: AnyDefinition, opening: Opening, hold: boolean, environment: CellEnvironment) {
    this.id = opening.id
    this.#definition = definition
    this.#opening = opening
    this.#environment = environment
    this.#context = environment.contextOf(opening.id)
    this.#shedding = new Shedding({
      service: opening.id,
      overloaded: this.#context.overloaded,
      loopDelayMs: environment.host.loopDelayMs,
    })
    this.counts = new CallCounts(() => this.#shedding.count)
    this.#held = hold && !mayOverlap(definition)
    this.#started.promise.catch(() => undefined)
    this.server = this.#createServer()
  }

  /**
   * Listens, opens the ports and starts the service. `predecessorStopped` is awaited if the service is held.
   * Throws what opening a port, listening or the definition's `start` throws.
   */
  async open(predecessorStopped: Promise<void>): Promise<void> {
    const { ports, bindHost } = this.#environment
    const { log, now } = this.#context
    const startedAt = now()
    log.info({ port: this.#opening.port ?? this.#environment.tcpPortOf(this.id) }, 'started')
    if (!this.#held) await this.#listen()
    const opened = await this.#openPorts()
    if (this.#held) {
      await predecessorStopped
      this.#held = false
      await this.#listen()
    }
    if (this.#opening.port !== undefined)
      await listenAlso(this.server, { host: bindHost, port: this.#opening.port })
    this.#fetch = await this.#start(opened)
    await ports.confirmMarket()
    this.#failure = undefined
    this.#started.resolve(this.#fetch)
    log.info({ afterMs: now() - startedAt }, 'ready')
  }

  /** Why it is not ready, or undefined. */
  async readiness(): Promise<string | undefined> {
    const { ports } = this.#environment
    const outage = ports.outageOf(this.#definition.needs)
    if (outage !== undefined) return outage
    if (this.#failure !== undefined) return [...ports.waiting.values()].join('; ') || this.#failure
    const failure = this.#definition.needs.includes('market')
      ? (await ports.open('market')).failure
      : undefined
    return failure ?? this.#unready?.()
  }

  async health(): Promise<ServiceHealth> {
    const reason = this.#held ? 'waits for its predecessor' : await this.readiness()
    return {
      id: this.id,
      ready: reason === undefined,
      ...(reason !== undefined && reason === this.#environment.ports.outageOf(this.#definition.needs)
        ? { waits: true }
        : {}),
      ...(this.#held ? { held: true } : {}),
      ...(reason === undefined ? {} : { reason }),
    }
  }

  /** The progress of its work, for the fleet's alarms; undefined if it reports none. */
  progress(): Progress | undefined {
    return this.#progress?.()
  }

  /** Stops accepting connections, then stops the service. Open connections are left to `drain`. */
  async release(): Promise<void> {
    stopAccepting(this.server)
    await this.#stop()
    this.#context.log.info({}, 'stopped')
  }

  #createServer(): Server {
    // The host delays its own calls; a main service has no host.
    const handle: FetchHandler =
      this.#definition.kind === 'main'
        ? (request, env) => this.#environment.delay(() => this.#fetch(request, env))
        : (request, env) => this.#fetch(request, env)
    const fetch: FetchHandler = (request, env) => this.#shedding.answer(request, env, handle)
    const server = createAdaptorServer({ fetch }) as Server
    server.on('upgrade', (request, socket, head) =>
      this.#upgrade ? this.#upgrade(request, socket, head) : socket.destroy(),
    )
    server.keepAliveTimeout = KEEP_ALIVE_MS
    return server
  }

  #listen(): Promise<void> {
    const { bindHost, tcpPortOf } = this.#environment
    return listen(this.server, this.#opening.fd, { host: bindHost, port: tcpPortOf(this.id) })
  }

  async #openPorts(): Promise<Ports> {
    const { needs } = this.#definition
    const opened = await Promise.all(
      needs.map(async (need) => [need, await this.#environment.ports.open(need)] as const),
    )
    return Object.fromEntries(opened) as unknown as Ports
  }

  #start(ports: Ports): Promise<FetchHandler> {
    switch (this.#definition.kind) {
      case 'main':
        return this.#startMain(this.#definition, ports)
      case 'agent':
        return this.#startAgent(this.#definition, ports)
      case 'server':
        return this.#startServer(this.#definition, ports)
    }
  }

  async #startMain(definition: MainDefinition, ports: Ports): Promise<FetchHandler> {
    const main = await definition.start(
      ports,
      this.#environment.mainContext(this.#context, () => this.readiness()),
    )
    this.#upgrade = main.upgrade
    this.#unready = main.unready
    this.#stop = async () => main.stop()
    return main.app.fetch
  }

  async #startAgent(definition: AgentDefinition, ports: Ports): Promise<FetchHandler> {
    const agent = await definition.start(ports, this.#context)
    const hosted = host(definition, ports, { ...this.#hostOptions(), agent })
    this.#progress = agent.progress?.bind(agent)
    this.#stop = async () => {
      hosted.stop()
      await agent.drain?.(AbortSignal.timeout(DRAIN_TIMING.drainMs))
      await agent.stop()
    }
    return hosted.app.fetch as FetchHandler
  }

  async #startServer(definition: ServerDefinition, ports: Ports): Promise<FetchHandler> {
    const state = await definition.state?.(ports, this.#context)
    this.#unready = () => state?.unready?.()
    const hosted = host(definition, ports, { ...this.#hostOptions(), state })
    this.#stop = async () => {
      hosted.stop()
      await state?.stop?.()
    }
    return hosted.app.fetch as FetchHandler
  }

  #hostOptions(): HostOptions {
    return {
      ...this.#environment.host,
      title: titleOf(this.id),
      category: catalogueEntry(this.id).category,
      port: this.#environment.tcpPortOf(this.id),
      readiness: () => this.readiness(),
      observer: this.#observer(),
    }
  }

  #observer(): CallObserver {
    const { callRecord } = this.#environment
    return {
      begin: (tool) => {
        this.counts.begin()
        callRecord.begin(this.id, tool)
      },
      end: (_tool, ok, durationMs) => {
        this.counts.end(ok, durationMs)
        callRecord.end(this.id)
      },
    }
  }

  #whileStarting(request: Request, env: unknown): Promise<Response> {
    const { ports, requestTimeoutMs } = this.#environment
    return answerWhileStarting(request, env, {
      service: this.id,
      reason:
        ports.outageOf(this.#definition.needs) ?? ([...ports.waiting.values()].join('; ') || 'starting'),
      started: this.#started.promise,
      timeoutMs: requestTimeoutMs,
    })
  }
}
