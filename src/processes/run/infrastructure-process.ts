/** What every piece of infrastructure of ours does: tells the supervisor how it fares, and stops when it is told to. */
import { HEARTBEAT_MS } from '../../fleet/healing/heartbeat.ts'
import { connectToSupervisor, type SupervisorLink } from '../../supervisor/links/supervisor-link.ts'
import { ignoreOutputErrors } from './ignore-output-errors.ts'
import { socketPath } from './run-plan.ts'

export interface Piece extends Pick<SupervisorLink, 'send'> {
  /** Says at once what has changed. */
  beat(): void
}

/** `missing` says why it is not ready, or undefined. */
export function runInfrastructure(
  id: string,
  { missing, onConnect, stop }: { missing(): string | undefined; onConnect?(): void; stop(): void },
): Piece {
  ignoreOutputErrors()
  const beat = () => {
    const reason = missing()
    link.send({
      type: 'heartbeat',
      services: [{ id, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) }],
    })
  }
  const link = connectToSupervisor({
    path: socketPath(process.env.KINTSUGI_DATA as string, 'supervisor'),
    process: process.env.KINTSUGI_PROCESS as string,
    onMessage: (message) => message.type === 'stop' && stop(),
    onConnect: () => {
      onConnect?.()
      beat()
    },
    onOrphaned: stop,
  })
  setInterval(beat, HEARTBEAT_MS)
  process.on('SIGTERM', stop)
  process.on('SIGINT', () => undefined)
  return { send: link.send, beat }
}
