/** The message hub's process. */
import { startHub } from '../adapters/bus/hub.ts'
import { type FromChild, HEARTBEAT_MS } from '../supervisor/protocol.ts'
import { socketPath } from './run-plan.ts'

const send = (message: FromChild) => process.connected && process.send?.(message)
const hub = await startHub(socketPath(process.env.KINTSUGI_DATA as string, 'hub'), Date.now)
const beat = () => send({ type: 'heartbeat', loopDelayMs: 0, services: [{ id: 'hub', ready: true }] })
beat()
setInterval(beat, HEARTBEAT_MS)
const stop = () => void hub.close().then(() => process.exit(0))
process.on('message', (message: { type: string }) => message.type === 'stop' && stop())
process.on('SIGTERM', stop)
process.on('SIGINT', () => undefined)
process.on('disconnect', stop)
