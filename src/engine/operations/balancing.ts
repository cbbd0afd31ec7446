/** How calls are divided among the instances of a service. */
import type { FleetControl } from '../../ports/fleet.ts'
import type { Ledger } from '../../ports/ledger.ts'

export const BALANCING = ['round-robin', 'least-loaded', 'healthiest'] as const
export type Balancing = (typeof BALANCING)[number]
/** Key of the ledger setting with the chosen strategies, by service. */
export const BALANCING_SETTING = 'balancing'

export interface InstanceLoad {
  readonly port: number
  /** Calls of ours that run on it now. */
  readonly running: number
  /** Share of its latest calls that failed, and their mean duration in ms. */
  readonly errorShare: number
  readonly latencyMs: number
}

/**
 * The index of the instance that gets the next call. `turn` counts the calls so far. Throws RangeError for
 * none.
 */
export function chooseInstance(
  strategy: Balancing,
  instances: readonly InstanceLoad[],
  turn: number,
): number {
  if (instances.length === 0) throw new RangeError('there is no instance to choose from')
  if (strategy === 'round-robin') return turn % instances.length
  const cost = ({ running, errorShare, latencyMs }: InstanceLoad) =>
    strategy === 'least-loaded' ? running : (1 + 10 * errorShare) * (1 + latencyMs) * (1 + running)
  // Equal instances take turns.
  const order = instances.map((_, index) => (index + turn) % instances.length)
  return order.reduce((best, index) =>
    cost(instances[index] as InstanceLoad) < cost(instances[best] as InstanceLoad) ? index : best,
  )
}

interface Context {
  readonly fleet: Pick<FleetControl, 'service'>
  readonly ledger: Pick<Ledger, 'setting' | 'saveSetting'>
}

const strategies = async (ledger: Pick<Ledger, 'setting'>) =>
  (await ledger.setting<Record<string, Balancing>>(BALANCING_SETTING)) ?? {}

/** The strategy of a service. Throws `unknown-service`. */
export async function balancingOf({ fleet, ledger }: Context, service: string): Promise<Balancing> {
  await fleet.service(service)
  return (await strategies(ledger))[service] ?? BALANCING[0]
}

/** Sets the strategy of a service and returns it. Throws `unknown-service`. */
export async function changeBalancing(
  { fleet, ledger }: Context,
  service: string,
  strategy: Balancing,
): Promise<{ service: string; strategy: Balancing }> {
  await fleet.service(service)
  await ledger.saveSetting(BALANCING_SETTING, { ...(await strategies(ledger)), [service]: strategy })
  return { service, strategy }
}
