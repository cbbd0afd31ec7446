/** `kintsugi up`: checks, starts the keeper, prints progress, then one line per trade. */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { askSupervisor } from '../adapters/fleet/control-client.ts'
import { readSettings, type Settings } from '../adapters/settings.ts'
import { type Finding, findingText } from '../adapters/surroundings/finding.ts'
import type { FleetStatus } from '../ports/fleet.ts'
import { files, type RunPlan, readPlan, socketPath } from '../processes/run/run-plan.ts'
import { terminal } from './confirm.ts'
import { color, dateTime } from './format.ts'
import { prepareFolder, stopLeftovers } from './up/data-folder.ts'
import { differencesOf, differenceText } from './up/differences.ts'
import { moveAside } from './up/fresh.ts'
import { refuseFundedKeys } from './up/funds.ts'
import { keyDescriptor, startKeeper, writeAccounts } from './up/keeper-start.ts'
import { checkMarket, makePlan, type UpOptions } from './up/plan.ts'
import { inspect, misspelt, refuseFaults } from './up/preflight.ts'
import { follow } from './up/progress.ts'

const RUNNING_TIMEOUT_MS = 2_000
/** Exit code of a start that found a running fleet with other options. */
const OTHER_OPTIONS = 3

/** Starts the fleet of a data folder and follows it. Does nothing if it runs already. */
export async function up(options: UpOptions): Promise<void> {
  const dataFolder = resolve(options.data)
  const running = await askSupervisor(
    socketPath(dataFolder, 'control'),
    { op: 'status' },
    RUNNING_TIMEOUT_MS,
  ).catch(() => undefined)
  const settings = readSettings(process.env, process.cwd())
  const plan = makePlan(options, settings, dataFolder)
  if (running) return reportRunning(running, plan, options.json === true)
  if (options.market) checkMarket(options.market, options.json === true)
  stopLeftovers(dataFolder)
  warn(misspelt(process.env, process.cwd()), options)
  warn(refuseFaults(await inspect(plan, settings, Date.now)), options)
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
  const movedTo = await moveAside(dataFolder, { yes, now: Date.now(), ask: terminal(), say })
  if (json && movedTo) console.log(JSON.stringify({ type: 'moved-aside', from: dataFolder, to: movedTo }))
}

function warn(findings: readonly Finding[], { json }: UpOptions): void {
  for (const finding of findings)
    if (json) console.log(JSON.stringify({ type: 'warning', ...finding }))
    else console.error(`${color.yellow('warning')} ${findingText(finding)}`)
}

/** Says that nothing was changed; exit code 3 if the running fleet has other options than were asked for. */
function reportRunning({ services, startedAt }: FleetStatus, wanted: RunPlan, json: boolean): void {
  const healthy = services.filter((service) => service.status === 'healthy').length
  const differences = differencesOf(readPlan(wanted.dataFolder), wanted)
  if (differences.length > 0) process.exitCode = OTHER_OPTIONS
  if (json) {
    console.log(
      JSON.stringify({ alreadyRunning: true, startedAt, healthy, services: services.length, differences }),
    )
    return
  }
  console.log(
    `A fleet already runs on ${wanted.dataFolder} (${healthy} of ${services.length} services healthy, since ${dateTime(startedAt)}). Nothing was changed.\nUse \`npx kintsugi status\` to see it, \`npx kintsugi down\` to stop it.`,
  )
  if (differences.length > 0)
    console.error(
      `${color.yellow('warning')} it runs with other options than you asked for:\n${differences.map((each) => `  ${differenceText(each)}`).join('\n')}`,
    )
}
