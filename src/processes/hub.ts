/** The message hub's process. */
import { startHub } from '../adapters/bus/hub.ts'
import { runInfrastructure } from './run/infrastructure-process.ts'
import { socketPath } from './run/run-plan.ts'

const hub = await startHub(socketPath(process.env.KINTSUGI_DATA as string, 'hub'), Date.now)
runInfrastructure('hub', {
  unready: () => undefined,
  stop: () => void hub.close().then(() => process.exit(0)),
})
