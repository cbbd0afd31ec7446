/** `kintsugi up`: checks, starts the keeper, prints progress, then one line per trade. */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { askSupervisor } from '../adapters/fleet/control-client.ts'
import { readSettings, type Settings } from '../adapters/settings.ts'
import type { FleetStatus } from '../ports/fleet.ts'
import { files, socketPath } from '../processes/run/run-plan.ts'
import { dateTime } from './format.ts'
import { prepareFolder, stopLeftovers } from './up/data-folder.ts'
import { moveAside } from './up/fresh.ts'
import { refuseFundedKeys } from './up/funds.ts'
import { keyDescriptor, startKeeper, writeAccounts } from './up/keeper-start.ts'
import { checkParts, makePlan, type UpOptions } from './up/plan.ts'
import { follow } from './up/progress.ts'

const RUNNING_TIMEOUT_MS = 2_000

/** Starts the fleet of a data folder and follows it. Does nothing if it runs already. */
export async function up(options: UpOptions): Promise<void> {
  const dataFolder = resolve(options.data)
  const running = await askSupervisor(
    socketPath(dataFolder, 'control'),
    { op: 'status' },
    RUNNING_TIMEOUT_MS,
  ).catch(() => undefined)
  if (running) return reportRunning(running, dataFolder, options.json === true)
  const settings = readSettings(process.env, process.cwd())
  const plan = makePlan(options, settings, dataFolder)
  checkParts(options, settings, plan)
  stopLeftovers(dataFolder)
  if (options.fresh) await startAfresh(dataFolder, options, settings)
  prepareFolder(plan)
  const keyFd = keyDescriptor()
  if (plan.mode === 'local') writeAccounts(plan, keyFd)
  try {
    await startKeeper(plan, settings, keyFd)
  } catch (error) {
    rmSync(files(dataFolder).plan, { force: true })
    throw error
  }
  await follow(plan, options, settings)
}

/** Moves the data folder aside if that is confirmed. Throws `refused`, `not-confirmed`, `not-ours`. */
async function startAfresh(
  dataFolder: string,
  { yes = false, withFunds, json }: UpOptions,
  { rpcUrls }: Settings,
): Promise<void> {
  if (!withFunds) await refuseFundedKeys(dataFolder, rpcUrls)
  const say = (text: string) => void (json ? undefined : console.log(text))
  const movedTo = await moveAside(dataFolder, { yes, now: Date.now(), say })
  if (json && movedTo) console.log(JSON.stringify({ type: 'moved-aside', from: dataFolder, to: movedTo }))
}

function reportRunning({ services, startedAt }: FleetStatus, dataFolder: string, json: boolean): void {
  const healthy = services.filter((service) => service.status === 'healthy').length
  console.log(
    json
      ? JSON.stringify({ alreadyRunning: true, startedAt, healthy, services: services.length })
      : `A fleet already runs on ${dataFolder} (${healthy} of ${services.length} services healthy, since ${dateTime(startedAt)}). Nothing was changed.\nUse \`npx kintsugi status\` to see it, \`npx kintsugi down\` to stop it.`,
  )
}
