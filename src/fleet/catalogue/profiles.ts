/** Profiles: which services run, and which of them share a process. */
import { CATALOGUE, type CatalogueEntry } from './catalogue.ts'

/** The default heap limit of a cell. */
export const CELL_HEAP_MB = 1_024

/** The names of the profiles, from the smallest to the complete one. */
export const PROFILES = ['test-complete', 'self-healing', 'complete'] as const
/** The name of a profile. */
export type ProfileName = (typeof PROFILES)[number]

/** The five servers of the small system. */
const CORE_SERVERS: readonly string[] = [
  'mcp_price_feed_server',
  'mcp_arbitrage_server',
  'mcp_flash_loan_server',
  'mcp_monitoring_server',
  'mcp_coordinator_server',
]

const IN_PROFILE: Readonly<Record<ProfileName, (entry: CatalogueEntry) => boolean>> = {
  'test-complete': (entry) => entry.kind !== 'server' || CORE_SERVERS.includes(entry.id),
  'self-healing': (entry) =>
    entry.kind !== 'server' ||
    CORE_SERVERS.includes(entry.id) ||
    entry.category === 'trading' ||
    entry.category === 'coordination',
  complete: () => true,
}

/** Services with a process of their own: the entry points, the executor, and the healing agent. */
const ALONE: readonly string[] = [
  'coordination_system',
  'dashboard',
  'transaction_executor',
  'self_healing_agent',
]

/** The services of a profile that are implemented (`built`). */
export function servicesOf(profile: ProfileName, built: readonly string[]): CatalogueEntry[] {
  return CATALOGUE.filter((entry) => built.includes(entry.id) && IN_PROFILE[profile](entry))
}

/** A cell and its services. */
export interface CellPlan {
  readonly id: string
  readonly services: readonly string[]
}

/** Divides services into cells: one per category, or one per service (`process`). */
export function cellsOf(services: readonly CatalogueEntry[], isolation: 'cell' | 'process'): CellPlan[] {
  const cells = new Map<string, string[]>()
  for (const entry of services) {
    const id = isolation === 'process' || ALONE.includes(entry.id) ? entry.id : entry.category
    const list = cells.get(id)
    if (list) list.push(entry.id)
    else cells.set(id, [entry.id])
  }
  return [...cells].map(([id, list]) => ({ id, services: list }))
}
