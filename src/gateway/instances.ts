/** Where each service answers now: its own port, and those of further instances; and how people want calls divided among them. */

import { DEFAULT_BALANCING } from '../adapters/dispatch/dispatcher.ts'
import { BALANCING_SETTING, type Balancing } from '../engine/operations/balancing.ts'
import type { MainContext } from '../mcp/define.ts'
import type { FleetControl, ServiceStatus } from '../ports/fleet.ts'
import type { Ledger } from '../ports/ledger.ts'

const LOOK_MS = 1_000
const SOON_MS = 100

export interface Instances {
  portsOf(service: string): readonly number[]
  strategyOf(service: string): Balancing
  stop(): void
}

/** `onStatus` hears what the supervisor says each time; it answers whether it waits for something, so that the next look comes soon. */
export async function followInstances(
  { fleet, ledger }: { fleet: FleetControl; ledger: Ledger },
  { plan }: MainContext,
  onStatus: (services: readonly ServiceStatus[]) => boolean,
): Promise<Instances> {
  let further: Record<string, number[]> = {}
  let strategies: Record<string, Balancing> = {}
  let waiting = true
  let timer: NodeJS.Timeout | undefined
  let stopped = false
  const look = async () => {
    const { services } = await fleet.status()
    waiting = onStatus(services)
    const found: Record<string, number[]> = {}
    for (const { id, port, status } of services) {
      const [service, instance] = id.split('#') as [string, string?]
      if (instance === undefined || port === null || status !== 'healthy') continue
      found[service] = [...(found[service] ?? []), port]
    }
    further = found
    if (Object.keys(found).length > 0)
      strategies = (await ledger.setting<Record<string, Balancing>>(BALANCING_SETTING)) ?? {}
  }
  const again = async () => {
    await look().catch(() => undefined)
    if (!stopped) timer = setTimeout(again, waiting ? SOON_MS : LOOK_MS)
  }
  await again()
  return {
    portsOf: (service) => {
      const own = plan.ports[service]
      return own === undefined ? [] : [own, ...(further[service] ?? [])]
    },
    strategyOf: (service) => strategies[service] ?? DEFAULT_BALANCING,
    stop: () => {
      stopped = true
      clearTimeout(timer)
    },
  }
}
