/**
 * One service: its state with what shares its process, and stopping, restarting and reading the log of it.
 */
import { findService } from '../../fleet/find-service.ts'
import { stopConsequences } from '../../fleet/stopping.ts'
import type { FleetControl, ServiceStatus } from '../../ports/fleet.ts'
import { KintsugiError } from '../../std/errors.ts'

/** A service, and the ids of the other services in its process. */
export interface ServiceInProcess {
  readonly service: ServiceStatus
  readonly sharesProcessWith: readonly string[]
}

/** The state of a service. Throws `unknown-service`. */
export async function stateOf(fleet: Pick<FleetControl, 'status'>, id: string): Promise<ServiceInProcess> {
  const { services } = await fleet.status()
  const service = findService(services, id)
  return {
    service,
    sharesProcessWith: services
      .filter((each) => each.cell === service.cell && each.id !== id)
      .map((each) => each.id),
  }
}

/** The reason of a requested incident: `maintenance, by ada`, or without a reason `stopped by ada`. */
export const requested = (what: string, by: string, reason?: string): string =>
  reason === undefined ? `${what} by ${by}` : `${reason}, by ${by}`

/** How a service is stopped. */
export interface StopOptions {
  readonly reason: string
  /** It starts again after this time. */
  readonly forMs?: number | undefined
  /** Allows to stop infrastructure, which all services depend on. */
  readonly force?: boolean
}

/**
 * Stops a service; one that shares its process is isolated first. Throws `unknown-service`, and `refused` for
 * infrastructure without `force`.
 */
export async function stopService(
  fleet: Pick<FleetControl, 'status' | 'isolate' | 'stop'>,
  id: string,
  { reason, forMs, force = false }: StopOptions,
): Promise<void> {
  const { alsoStops, isInfrastructure } = stopConsequences((await fleet.status()).services, id)
  if (isInfrastructure && !force)
    throw new KintsugiError('refused', `service: ${id} is infrastructure, which all services depend on`, {
      hint: 'set force to stop it nevertheless',
    })
  if (alsoStops.length > 0 && !isInfrastructure) await fleet.isolate(id, reason)
  await fleet.stop(id, reason, forMs)
}

/**
 * Restarts the process of a service. Throws `unknown-service`, and `refused` if the process is that of `own`,
 * which could not answer.
 */
export async function restartService(
  fleet: Pick<FleetControl, 'status' | 'restart'>,
  id: string,
  reason: string,
  own: string,
): Promise<void> {
  const { sharesProcessWith } = await stateOf(fleet, id)
  if (id === own || sharesProcessWith.includes(own))
    throw new KintsugiError(
      'refused',
      `service: ${id} shares its process with ${own}, which could not answer`,
      {
        hint: `isolate it first, or restart it with \`npx kintsugi restart ${id}\``,
      },
    )
  await fleet.restart(id, reason)
}

/** The end of a log. */
export interface LogTail {
  /** Number of lines that were searched. */
  readonly searched: number
  /** Number of lines that match. */
  readonly found: number
  /** The last lines that match, oldest first. */
  readonly lines: readonly string[]
}

const MAX_SEARCHED = 100_000

/**
 * The last lines of a service's log, at most `max`, of those that contain `text` if it is given. Throws
 * `unknown-service`.
 */
export async function logTail(
  fleet: Pick<FleetControl, 'logs'>,
  id: string,
  max: number,
  text?: string,
): Promise<LogTail> {
  const all = await fleet.logs(id, text === undefined ? max : MAX_SEARCHED)
  const matching = text === undefined ? all : all.filter((line) => line.includes(text))
  return { searched: all.length, found: matching.length, lines: matching.slice(-max) }
}
