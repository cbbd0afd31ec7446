/** What is wrong with a service, what would mend it, and mending it. */
import type { FleetControl, ServiceStatus } from '../../ports/fleet.ts'
import { KintsugiError } from '../../std/errors.ts'

export interface Diagnosis {
  readonly service: string
  readonly status: string
  readonly reason: string
  readonly proposal: string
}

const PROPOSALS: Readonly<Record<ServiceStatus['status'], string>> = {
  healthy: 'nothing',
  starting: 'wait: it comes up',
  stopping: 'wait: it ends',
  degraded: 'restart it',
  'backing-off': 'start it now instead of later',
  quarantined: 'start it on trial now',
  stopped: 'start it',
}

/** Services that are not healthy. */
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

/** Mends one service. Throws `unknown-service`. */
export async function healService(
  fleet: FleetControl,
  service: string,
): Promise<{ service: string; before: string; action: string; reason: string }> {
  const { services } = await fleet.status()
  const found = services.find(({ id }) => id === service)
  if (!found)
    throw new KintsugiError(
      'unknown-service',
      `service: no service is called ${JSON.stringify(service.slice(0, 100))} here`,
      {
        hint: `known: ${services.map(({ id }) => id).join(', ')}`,
      },
    )
  const reason = found.detail ?? found.status
  const answer = (action: string) => ({ service, before: found.status, action, reason })
  switch (found.status) {
    case 'healthy':
    case 'starting':
    case 'stopping':
      return answer('none')
    case 'degraded':
      await fleet.restart(service, `healing was asked for: ${reason}`)
      return answer('restarted')
    case 'backing-off':
    case 'quarantined':
    case 'stopped':
      await fleet.start(service)
      return answer('started')
  }
}
