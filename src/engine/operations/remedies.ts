/** Remedies: proposals for services that are not healthy, and their execution. */
import type { FleetControl, ServiceState, ServiceStatus } from '../../ports/fleet.ts'

/** A service that is not healthy, the reason, and the proposed remedy. */
export interface Diagnosis {
  readonly service: string
  readonly status: ServiceState
  readonly reason: string
  readonly proposal: string
}

/** The diagnosis and the action of `healService`. */
export interface HealingResult {
  readonly service: string
  /** Its status before. */
  readonly before: ServiceState
  readonly action: 'none' | 'restarted' | 'started'
  readonly reason: string
}

const PROPOSALS: Readonly<Record<ServiceState, string>> = {
  healthy: 'nothing',
  starting: 'wait until it has started',
  stopping: 'wait until it has stopped',
  degraded: 'restart it',
  'backing-off': 'start it now instead of after its backoff',
  quarantined: 'start it on trial now',
  stopped: 'start it',
}

/** Services that are not healthy, with the reason and a proposal. */
export function diagnose(services: readonly ServiceStatus[]): Diagnosis[] {
  return services
    .filter(({ status }) => status !== 'healthy')
    .map(({ id, status, detail }) => ({
      service: id,
      status,
      reason: detail ?? status,
      proposal: PROPOSALS[status],
    }))
}

/**
 * Restarts a degraded service, starts one that is down, and does nothing otherwise. Throws `unknown-service`.
 */
export async function healService(
  fleet: Pick<FleetControl, 'service' | 'restart' | 'start'>,
  service: string,
): Promise<HealingResult> {
  const found = await fleet.service(service)
  const reason = found.detail ?? found.status
  const result = (action: HealingResult['action']) => ({ service, before: found.status, action, reason })
  switch (found.status) {
    case 'healthy':
    case 'starting':
    case 'stopping':
      return result('none')
    case 'degraded':
      await fleet.restart(service, `healing was requested: ${reason}`)
      return result('restarted')
    case 'backing-off':
    case 'quarantined':
    case 'stopped':
      await fleet.start(service)
      return result('started')
  }
}
