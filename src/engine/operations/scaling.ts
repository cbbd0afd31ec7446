/**
 * Scaling policies: when instances of a service are added and removed. People's choices are kept in the
 * ledger.
 */
import type { FleetControl } from '../../ports/fleet.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { KintsugiError } from '../../std/errors.ts'

/** When instances of a service are added and removed. */
export interface ScalingPolicy {
  readonly minInstances: number
  readonly maxInstances: number
  /** Average running calls per instance at which one is added, and at which one is removed. */
  readonly outAt: number
  readonly inAt: number
  /** How long the average must stay there, in ms. */
  readonly outAfterMs: number
  readonly inAfterMs: number
}

/** The policy of a service without one of its own. */
export const DEFAULT_SCALING: ScalingPolicy = {
  minInstances: 1,
  maxInstances: 3,
  outAt: 6,
  inAt: 0.5,
  outAfterMs: 8_000,
  inAfterMs: 60_000,
}

/** Key of the ledger's setting with the policies, by service. */
const SETTING = 'scaling'

/** As stored. Earlier versions called the limits `least` and `most`. */
type StoredPolicy = Partial<ScalingPolicy> & { readonly least?: number; readonly most?: number }

/** The policies that people set, by service. */
export async function scalingPolicies(
  ledger: Pick<Ledger, 'setting'>,
): Promise<Readonly<Record<string, ScalingPolicy>>> {
  const stored = (await ledger.setting<Record<string, StoredPolicy>>(SETTING)) ?? {}
  return Object.fromEntries(Object.entries(stored).map(([service, policy]) => [service, complete(policy)]))
}

function complete({ least, most, ...policy }: StoredPolicy): ScalingPolicy {
  return {
    ...DEFAULT_SCALING,
    ...(least === undefined ? {} : { minInstances: least }),
    ...(most === undefined ? {} : { maxInstances: most }),
    ...policy,
  }
}

interface Context {
  readonly fleet: Pick<FleetControl, 'service' | 'scalable'>
  readonly ledger: Pick<Ledger, 'setting' | 'saveSetting'>
}

/**
 * The policy of a service. Throws `unknown-service`, and `not-scalable` for one of which only one instance
 * may run.
 */
export async function scalingPolicyOf({ fleet, ledger }: Context, service: string): Promise<ScalingPolicy> {
  await fleet.service(service)
  if (!(await fleet.scalable()).includes(service))
    throw new KintsugiError('not-scalable', `service: only one instance of ${service} may run`)
  return (await scalingPolicies(ledger))[service] ?? DEFAULT_SCALING
}

/** A change of a policy; a field that is left out stays as it is. */
export type ScalingChange = { readonly [K in keyof ScalingPolicy]?: ScalingPolicy[K] | undefined }

/**
 * Changes the policy of a service and returns the new one. Throws as `scalingPolicyOf`, and `bad-argument`
 * for limits that cross.
 */
export async function changeScalingPolicy(
  context: Context,
  service: string,
  change: ScalingChange,
): Promise<ScalingPolicy> {
  const changes = Object.entries(change).filter(([, value]) => value !== undefined)
  const policy: ScalingPolicy = {
    ...(await scalingPolicyOf(context, service)),
    ...Object.fromEntries(changes),
  }
  if (policy.minInstances > policy.maxInstances)
    throw new KintsugiError(
      'bad-argument',
      `policy.minInstances: expected at most policy.maxInstances, ${policy.maxInstances} (got ${policy.minInstances})`,
    )
  const all = await scalingPolicies(context.ledger)
  await context.ledger.saveSetting(SETTING, { ...all, [service]: policy })
  return policy
}
