/**
 * Recovery time after a fault: until the process is ready and a real call returns data newer than the fault.
 */
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import type { ChaosFault } from '../src/adapters/fleet/control-protocol.ts'
import type { ServiceStatus } from '../src/ports/fleet.ts'

export const quantile = (values: readonly number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] as number
export const ms = (value: number) => `${value.toFixed(0)} ms`
export const sleep = (time: number) => new Promise((resolve) => setTimeout(resolve, time))

/** The fields of answers that the proofs read; each tool has some of them. */
export interface Answer {
  readonly observedAt?: number
  readonly tasks?: unknown
  readonly tradesBooked?: number
  readonly metrics?: unknown
  readonly state?: { readonly observedAt?: number }
  readonly services?: { readonly total?: number }
}
/** Whether `value` is present and above `bound`. */
export const above = (value: number | undefined, bound: number) => value !== undefined && value > bound

export interface Target {
  /** Ports by service. */
  portOf(service: string): number
}

async function query(target: Target, service: string, body: unknown): Promise<Answer | undefined> {
  const response = await fetch(`http://127.0.0.1:${target.portOf(service)}/query`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', connection: 'close' },
    body: JSON.stringify(body),
  })
  return ((await response.json()) as { result?: Answer }).result
}

async function get(target: Target, service: string, path: string): Promise<Answer> {
  const url = `http://127.0.0.1:${target.portOf(service)}${path}`
  return (await (await fetch(url, { headers: { connection: 'close' } })).json()) as Answer
}

/** Per service, a call that proves that it works on state newer than `since` (ms since 1970). */
const PROOFS: Readonly<Record<string, (target: Target, since: number) => Promise<boolean>>> = {
  mcp_price_feed_server: async (target, since) =>
    above(
      (await query(target, 'mcp_price_feed_server', { type: 'price_query', symbol: 'ETH' }))?.observedAt,
      since,
    ),
  mcp_monitoring_server: async (target, since) =>
    above((await query(target, 'mcp_monitoring_server', { type: 'host_resources' }))?.observedAt, since),
  mcp_coordinator_server: async (target) =>
    Array.isArray((await query(target, 'mcp_coordinator_server', { type: 'list_tasks', limit: 1 }))?.tasks),
  mcp_defi_analyzer_server: async (target) =>
    (await query(target, 'mcp_defi_analyzer_server', { type: 'protocol_overview' })) !== undefined,
  'mcp-health-check': async (target, since) =>
    above((await query(target, 'mcp-health-check', { type: 'health' }))?.observedAt, since),
  arbitrage_detector: async (target, since) =>
    above((await get(target, 'arbitrage_detector', '/health')).state?.observedAt, since),
  transaction_executor: async (target) =>
    above((await query(target, 'transaction_executor', { type: 'execution_summary' }))?.tradesBooked, -1),
  self_healing_agent: async (target) =>
    above((await get(target, 'self_healing_agent', '/system-status')).services?.total, 0),
  coordination_system: async (target) =>
    (await get(target, 'coordination_system', '/status')).metrics !== null,
  dashboard: async (target) => (await get(target, 'dashboard', '/api/status')).metrics !== null,
}

/** Time in ms until all services are ready and one real call has succeeded. Throws after 30 s. */
export async function recovered(target: Target, services: readonly string[]): Promise<number> {
  const since = Date.now()
  const started = performance.now()
  const proof = services.find((service) => service in PROOFS)
  const answered = async (service: string) =>
    fetch(`http://127.0.0.1:${target.portOf(service)}/ready`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(1_000),
    }).then(
      (response) => response.ok,
      () => false,
    )
  for (;;) {
    const ready = await Promise.all(services.map(answered))
    if (
      ready.every(Boolean) &&
      (proof === undefined || (await PROOFS[proof]?.(target, since).catch(() => false)))
    )
      return performance.now() - started
    if (performance.now() - started > 30_000) throw new Error(`${services.join(', ')} did not come back`)
    await sleep(2)
  }
}

/** Cells of a fleet, with their services. */
export async function cellsOf(control: string): Promise<Map<string, ServiceStatus[]>> {
  const { services } = await askSupervisor(control, { op: 'status' })
  const cells = new Map<string, ServiceStatus[]>()
  for (const service of services)
    if (service.kind !== 'infrastructure')
      cells.set(service.cell, [...(cells.get(service.cell) ?? []), service])
  return cells
}

/**
 * Injects a fault into a cell, as an intended one that no breaker counts; resolves when the cell answers
 * again.
 */
export async function injectAndWait(
  control: string,
  target: Target,
  cell: string,
  services: readonly string[],
  fault: ChaosFault,
): Promise<number> {
  await askSupervisor(control, { op: 'inject-fault', service: cell, fault })
  return recovered(target, services)
}
