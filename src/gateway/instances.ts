/** The ports at which each service answers now, and how calls are balanced over its instances. */
import { DEFAULT_BALANCING } from '../adapters/dispatch/dispatcher.ts'
import { BALANCING_SETTING, type Balancing } from '../engine/operations/balancing.ts'
import type { MainContext } from '../mcp/define.ts'
import type { FleetControl, ServiceStatus } from '../ports/fleet.ts'
import type { Ledger } from '../ports/ledger.ts'

const POLL_INTERVAL_MS = 1_000
const FAST_POLL_INTERVAL_MS = 100

/** The instances of all services. */
export interface Instances {
  /** The service's own port, then those of further instances. */
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  stop(): void
}

/**
 * Polls the supervisor. `onStatus` receives each status and returns whether the next poll should follow soon.
 */
export async function followInstances(
  { fleet, ledger }: { fleet: FleetControl; ledger: Ledger },
  { plan }: MainContext,
  onStatus: (services: readonly ServiceStatus[]) => boolean,
): Promise<Instances> {
  let additional: Record<string, number[]> = {}
  let strategies: Record<string, Balancing> = {}
  let waiting = true
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const poll = async () => {
    const { services } = await fleet.status()
    waiting = onStatus(services)
    const found: Record<string, number[]> = {}
    for (const { id, port, status } of services) {
      const [service, instance] = id.split('#') as [string, string?]
      if (instance === undefined || port === null || status !== 'healthy') continue
      found[service] = [...(found[service] ?? []), port]
    }
    additional = found
    if (Object.keys(found).length > 0)
      strategies = (await ledger.setting<Record<string, Balancing>>(BALANCING_SETTING)) ?? {}
  }
  const pollRepeatedly = async () => {
    await poll().catch(() => undefined)
    if (!stopped) timer = setTimeout(pollRepeatedly, waiting ? FAST_POLL_INTERVAL_MS : POLL_INTERVAL_MS)
  }
  await pollRepeatedly()
  return {
    portsOf: (service) => {
      const own = plan.ports[service]
      return own === undefined ? [] : [own, ...(additional[service] ?? [])]
    },
    strategyOf: (service) => strategies[service] ?? DEFAULT_BALANCING,
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
