/** The message hub's process. */
import { startHub } from '../adapters/bus/hub.ts'
import { standardOutputLog } from './logs/standard-output-log.ts'
import { runInfrastructure } from './run/infrastructure-process.ts'
import { readPlan, socketPath } from './run/run-plan.ts'

const dataFolder = process.env.KINTSUGI_DATA as string
const hub = await startHub(socketPath(dataFolder, 'hub'), Date.now)
runInfrastructure('hub', {
  log: standardOutputLog('hub', readPlan(dataFolder).settings.logLevel),
  unready: () => undefined,
  stop: () => void hub.close().then(() => process.exit(0)),
})
