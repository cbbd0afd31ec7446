/**
 * A process of our own infrastructure (hub, localnet, discovery): it reports to the supervisor and stops on
 * request.
 */
import { HEARTBEAT_MS } from '../../fleet/healing/heartbeat.ts'
import type { Log } from '../../ports/service.ts'
import { connectToSupervisor, type SupervisorLink } from '../../supervisor/links/supervisor-link.ts'
import { ignoreOutputErrors } from './ignore-output-errors.ts'
import { socketPath } from './run-plan.ts'

export interface InfrastructureOptions {
  readonly log: Log
  /** Why it is not ready, or undefined. */
  unready(): string | undefined
  /** Whether it waits for others by itself while it is not ready, so that a restart cannot help. */
  readonly patient?: boolean
  /** Called on each connection to the supervisor, before the first heartbeat. */
  onConnect?(): void
  /** Called with whether the machine is overloaded. */
  onOverload?(overloaded: boolean): void
  /** Called on request of the supervisor, on SIGTERM, and when no supervisor exists any more. */
  stop(): void
}

export interface InfrastructureProcess extends Pick<SupervisorLink, 'send'> {
  /** Sends a heartbeat now, after a change of readiness. */
  beat(): void
}

/** Sends the heartbeats of infrastructure `id` until the process ends. */
export function runInfrastructure(
  id: string,
  { log, unready, patient = false, onConnect, onOverload, stop }: InfrastructureOptions,
): InfrastructureProcess {
  ignoreOutputErrors()
  log.info({}, 'started')
  let wasReady = false
  const beat = () => {
    const reason = unready()
    if (reason === undefined && !wasReady) log.info({}, 'ready')
    wasReady = reason === undefined
    link.send({
      type: 'heartbeat',
      services: [
        { id, ready: reason === undefined, ...(reason === undefined ? {} : { reason, waits: patient }) },
      ],
    })
  }
  let ended = false
  const end = () => {
    if (ended) return
    ended = true
    log.info({}, 'stopped')
    stop()
  }
  const link = connectToSupervisor({
    path: socketPath(process.env.KINTSUGI_DATA as string, 'supervisor'),
    process: process.env.KINTSUGI_PROCESS as string,
    onMessage: (message) => {
      if (message.type === 'stop') end()
      else if (message.type === 'overload') onOverload?.(message.on)
    },
    onConnect: () => {
      onConnect?.()
      beat()
    },
    onOrphaned: end,
  })
  setInterval(beat, HEARTBEAT_MS)
  process.on('SIGTERM', end)
  process.on('SIGINT', () => undefined)
  return { send: link.send, beat }
}
