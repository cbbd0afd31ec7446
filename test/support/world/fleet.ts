/**
 * A small fleet in memory: its services change state as they are told, and what was asked of it is recorded.
 */
import { CATALOGUE, type CatalogueEntry, titleOf } from '../../../src/fleet/catalogue/catalogue.ts'
import { findService } from '../../../src/fleet/find-service.ts'
import type { IncidentRecord } from '../../../src/fleet/incidents.ts'
import type {
  CellVitals,
  Dependency,
  FleetControl,
  FleetStatus,
  ServiceStatus,
  ToolCall,
} from '../../../src/ports/fleet.ts'
import { KintsugiError } from '../../../src/std/errors.ts'

/** Cells and the services in them. Services outside these are not running. */
const CELLS: Readonly<Record<string, readonly string[]>> = {
  trading: ['mcp_price_feed_server', 'mcp_liquidity_server', 'dex_aggregator_mcp_server'],
  infrastructure: ['mcp_monitoring_server', 'mcp_auth_manager_server'],
  coordination: ['mcp_server_manager', 'mcp_coordinator_server'],
  development: ['mcp-health-check', 'mcp-stability-report'],
  arbitrage_detector: ['arbitrage_detector'],
  transaction_executor: ['transaction_executor'],
  self_healing_agent: ['self_healing_agent'],
  coordination_system: ['coordination_system'],
}
const INFRASTRUCTURE = ['database', 'hub', 'localnet']
const SINGLETONS = new Set(['mcp_price_feed_server', 'mcp_coordinator_server'])

const entry = (id: string) => CATALOGUE.find((each) => each.id === id) as CatalogueEntry

export class SmallFleet implements FleetControl {
  readonly services: ServiceStatus[]
  readonly recorded: IncidentRecord[] = []
  /** Everything that was asked of the fleet, in order. */
  readonly orders: (readonly [string, ...unknown[]])[] = []
  readonly lines = new Map<string, string[]>()
  vital: Record<string, CellVitals> = {}
  readonly #now: () => number
  readonly #tools = new Map<string, (call: ToolCall) => unknown>()

  constructor(now: () => number) {
    this.#now = now
    const running = Object.entries(CELLS).flatMap(([cell, ids], index) =>
      ids.map((id): ServiceStatus => {
        const { kind, category, port } = entry(id)
        const state = { status: 'healthy', pid: 1_000 + index, restarts: 0, since: now() - 60_000 } as const
        return { id, kind, title: titleOf(id), category, port, cell, ...state }
      }),
    )
    this.services = [
      ...running,
      ...INFRASTRUCTURE.map((id, index): ServiceStatus => {
        const state = { status: 'healthy', pid: 2_000 + index, restarts: 0, since: now() - 60_000 } as const
        return {
          id,
          kind: 'infrastructure',
          title: id,
          category: 'infrastructure',
          port: null,
          cell: id,
          ...state,
        }
      }),
    ]
  }

  /** Answers calls of a tool of another service. */
  answer(service: string, tool: string, reply: (call: ToolCall) => unknown): void {
    this.#tools.set(`${service}__${tool}`, reply)
  }

  /** Puts a service into a state, as a failure would. */
  set(id: string, change: Partial<ServiceStatus>): ServiceStatus {
    const index = this.services.indexOf(findService(this.services, id))
    const changed = { ...(this.services[index] as ServiceStatus), ...change }
    this.services[index] = changed
    return changed
  }

  async service(id: string): Promise<ServiceStatus> {
    return findService(this.services, id)
  }

  async status(): Promise<FleetStatus> {
    return {
      profile: 'complete',
      mode: 'local',
      startedAt: this.#now() - 60_000,
      readyMs: 4_000,
      alarms: [],
      spares: { warm: 1, total: 1 },
      services: this.services.map((each) => ({ ...each })),
    }
  }

  async incidents(): Promise<readonly IncidentRecord[]> {
    return this.recorded
  }

  async vitals(): Promise<Readonly<Record<string, CellVitals>>> {
    return this.vital
  }

  /** Restarts a service, or all services of a cell. */
  async restart(id: string, reason?: string): Promise<ServiceStatus> {
    const cell = this.services.filter((each) => each.cell === id)
    const restarted = cell.length > 0 ? cell : [findService(this.services, id)]
    this.orders.push(['restart', id, reason])
    const states = restarted.map(({ id: each, restarts }) =>
      this.set(each, { status: 'healthy', restarts: restarts + 1, since: this.#now() }),
    )
    return states[0] as ServiceStatus
  }

  async stop(id: string, reason: string, forMs?: number): Promise<ServiceStatus> {
    this.orders.push(['stop', id, reason, forMs])
    return this.set(id, { status: 'stopped', pid: null, since: null, detail: reason })
  }

  async start(id: string): Promise<ServiceStatus> {
    this.orders.push(['start', id])
    return this.set(id, { status: 'healthy', pid: 3_000, since: this.#now() })
  }

  async isolate(id: string, reason: string): Promise<ServiceStatus> {
    this.orders.push(['isolate', id, reason])
    const { cell } = findService(this.services, id)
    return this.set(id, { cell: id, home: cell, pid: 4_000 })
  }

  async resize(cell: string, heapMb: number | null, reason: string): Promise<ServiceStatus> {
    this.orders.push(['resize', cell, heapMb, reason])
    const first = this.services.find((each) => each.cell === cell)
    if (!first) throw new KintsugiError('unknown-service', `unknown cell ${cell}`)
    return first
  }

  async bringHome(id: string): Promise<ServiceStatus> {
    this.orders.push(['bringHome', id])
    const { home, cell } = findService(this.services, id)
    return this.set(id, { cell: home ?? cell })
  }

  async scale(id: string, instances: number): Promise<readonly ServiceStatus[]> {
    const first = findService(this.services, id)
    if (SINGLETONS.has(id)) throw new KintsugiError('not-scalable', `only one instance of ${id} may run`)
    this.orders.push(['scale', id, instances])
    const others = this.services.filter((each) => !each.id.startsWith(`${id}#`))
    const further = Array.from({ length: instances - 1 }, (_, index) => ({
      ...first,
      id: `${id}#${index + 2}`,
      port: 9_200 + index,
      pid: 5_000 + index,
    }))
    this.services.splice(0, this.services.length, ...others, ...further)
    return [first, ...further]
  }

  async dependencies(): Promise<readonly Dependency[]> {
    return this.services.map(({ id, cell, kind }) => ({
      id,
      cell,
      hard: kind === 'infrastructure' ? [] : ['hub'],
      soft: kind === 'infrastructure' ? [] : id.startsWith('mcp-') ? ['database'] : ['database', 'localnet'],
    }))
  }

  async logs(id: string, lines: number): Promise<readonly string[]> {
    findService(this.services, id)
    return (this.lines.get(id) ?? []).slice(-lines)
  }

  async collect(cell: string): Promise<void> {
    this.orders.push(['collect', cell])
  }

  async scalable(): Promise<readonly string[]> {
    return this.services
      .filter(({ kind, id }) => kind === 'server' && !SINGLETONS.has(id) && !id.includes('#'))
      .map(({ id }) => id)
  }

  async note(incident: IncidentRecord): Promise<void> {
    this.recorded.push(incident)
  }

  async call(call: ToolCall): Promise<unknown> {
    findService(this.services, call.service)
    const reply = this.#tools.get(`${call.service}__${call.tool}`)
    if (!reply) throw new KintsugiError('unknown-tool', `${call.service} has no tool "${call.tool}"`)
    this.orders.push(['call', call.service, call.tool, call.arguments])
    return reply(call)
  }

  async tools(id: string): Promise<readonly { name: string; description: string; effect: string }[]> {
    findService(this.services, id)
    return [...this.#tools.keys()]
      .filter((name) => name.startsWith(`${id}__`))
      .map((name) => ({ name: name.slice(id.length + 2), description: '', effect: 'read' }))
  }
}
