/** `kintsugi chaos run`: injects faults into a running fleet for a bounded time, and reports their effect. */
import { setTimeout as sleep } from 'node:timers/promises'
import { JsonRpcChain } from '../adapters/chain/json-rpc.ts'
import { askPatiently } from '../adapters/fleet/control-client.ts'
import { type BooksCheck, checkBooks } from '../engine/books/books-check.ts'
import { nextVictims, SCENARIOS, type Scenario, type ScenarioName } from '../fleet/simulation/chaos.ts'
import type { StatusView, TradeView } from '../gateway/api/schema.ts'
import type { FleetStatus } from '../ports/fleet.ts'
import { type RunPlan, socketPath } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { seededRandom } from '../std/random.ts'
import { fillDisk, inject, victimsOf } from './chaos/faults.ts'
import { readThroughGateway } from './chaos/reads.ts'
import { type ChaosReport, readsOf, recoveriesOf, reportText } from './chaos/report.ts'
import { patiently, until } from './chaos/wait.ts'
import { color, count, seconds } from './format.ts'
import { type DataOptions, readToken, request, runningPlan } from './run.ts'

export interface ChaosOptions extends DataOptions {
  seconds: number
  /** Reads through the gateway per second; 0 for none. */
  reads: number
  seed: number
  /** Whether the gateway may be a victim; the client then repeats reads whose connection broke. */
  includeGateway?: boolean
}

interface Injected {
  readonly faults: ChaosReport['faults']
  /** Resolves with ms, or undefined if the recovery was not observed. */
  readonly recoveries: readonly Promise<number | undefined>[]
}

const GATEWAY = 'coordination_system'
const SETTLE_TIMEOUT_MS = 60_000
const BOOKING_TIMEOUT_MS = 20_000

/** Prints the scenarios. */
export function listScenarios(options: { json?: boolean }): void {
  if (options.json) console.log(JSON.stringify(SCENARIOS, null, 2))
  else for (const [name, { title }] of Object.entries(SCENARIOS)) console.log(`${name.padEnd(12)} ${title}`)
}

/**
 * Runs a scenario and prints its report. Exit code 1 if a read was lost, the books differ, or a service stays
 * unhealthy.
 */
export async function runChaos(name: string, options: ChaosOptions): Promise<void> {
  const scenario = scenarioNamed(name)
  const plan = runningPlan(options)
  if (plan.mode !== 'local')
    throw new KintsugiError('refused', `chaos needs the local chain; this fleet runs in mode ${plan.mode}`, {
      hint: 'start a local fleet with `npx kintsugi up --chain local --data FOLDER`',
    })
  if (!options.json)
    console.log(
      `${color.bold('chaos')} ${scenario.title}; ${count(options.seconds, 'second')}, seed ${options.seed}`,
    )
  const control = socketPath(plan.dataFolder, 'control')
  const status = () => askPatiently(control, { op: 'status' })
  const chain = new JsonRpcChain({ url: `http://127.0.0.1:${plan.chainPort}` })
  const before = await gatewayStatus(plan)
  const from = await chain.block('latest')
  const reading = new AbortController()
  const reads = readThroughGateway({
    url: `http://127.0.0.1:${plan.ports[GATEWAY]}/mcp`,
    token: readToken(plan),
    perSecond: options.reads,
    repeats: options.includeGateway === true,
    stop: reading.signal,
  })
  const { faults, recoveries } = await injectFaults(scenario, plan.dataFolder, control, status, options)
  const lastFault = Date.now()
  const healthyAfterwards = await until(
    async () => (await status()).services.every((service) => service.status === 'healthy'),
    SETTLE_TIMEOUT_MS,
  )
  const healthyAfterMs = Date.now() - lastFault
  reading.abort()
  const report: ChaosReport = {
    scenario: name,
    seed: options.seed,
    seconds: options.seconds,
    faults,
    reads: readsOf(await reads),
    recoveries: recoveriesOf(await Promise.all(recoveries)),
    trades: {
      before: before.metrics?.tradesBooked ?? 0,
      after: (await gatewayStatus(plan)).metrics?.tradesBooked ?? 0,
      books: await booksOf(chain, plan, before, from.number),
    },
    healthyAfterwards,
    healthyAfterMs,
  }
  chain.close()
  console.log(options.json ? JSON.stringify(report, null, 2) : reportText(report))
  if (!healthyAfterwards || report.reads.lost > 0 || report.trades.books?.equal === false)
    process.exitCode = 1
}

/** Throws `bad-argument`. */
function scenarioNamed(name: string): Scenario {
  const scenario: Scenario | undefined = SCENARIOS[name as ScenarioName]
  if (scenario) return scenario
  throw new KintsugiError('bad-argument', `unknown scenario ${JSON.stringify(name)}`, {
    hint: `scenarios: ${Object.keys(SCENARIOS).join(', ')}`,
  })
}

/** Injects a fault every `everyMs` until the time is over or Ctrl-C. */
async function injectFaults(
  scenario: Scenario,
  dataFolder: string,
  control: string,
  status: () => Promise<FleetStatus>,
  options: ChaosOptions,
): Promise<Injected> {
  const random = seededRandom(options.seed)
  const faults: ChaosReport['faults'] = []
  const recoveries: Promise<number | undefined>[] = []
  const startedAt = Date.now()
  const stopAt = startedAt + options.seconds * 1_000
  let interrupted = false
  process.once('SIGINT', () => {
    interrupted = true
  })
  while (Date.now() < stopAt && !interrupted) {
    const possible = await victimsOf(status, options.includeGateway === true || options.reads === 0)
    const victims = nextVictims(scenario, possible, random)
    const ids = victims.map(({ id }) => id)
    faults.push({ victims: ids, at: Date.now() })
    if (!options.json)
      console.log(`${color.dim(seconds(Date.now() - startedAt))} ${scenario.kind} ${ids.join(' and ')}`)
    if (scenario.kind === 'disk') fillDisk(dataFolder)
    for (const victim of victims) recoveries.push(inject(control, status, victim, scenario))
    const left = stopAt - Date.now()
    await sleep(Math.max(0, Math.min(scenario.everyMs, left)))
    // A timer may fire slightly early; that must not cause one more fault.
    if (left <= scenario.everyMs) break
  }
  return { faults, recoveries }
}

/** The gateway's status; repeated while the gateway or what serves it is being replaced. */
const gatewayStatus = (plan: RunPlan) => patiently(() => request<StatusView>(plan, GATEWAY, '/status'))

/** Compares the ledger with the chain over all blocks of the run; null if the chain was replaced. */
async function booksOf(
  chain: JsonRpcChain,
  plan: RunPlan,
  before: StatusView,
  from: number,
): Promise<BooksCheck | null> {
  const { accounts } = before
  const after = await gatewayStatus(plan)
  if (!accounts || before.chain?.genesis !== after.chain?.genesis) return null
  const to = (await chain.block('finalized')).number
  let books: BooksCheck | null = null
  // Trades are booked shortly after their block is final.
  await until(async () => {
    const trades = await patiently(() => allTrades(plan))
    books = await checkBooks(chain, accounts, trades, from, to)
    return books.equal
  }, BOOKING_TIMEOUT_MS)
  return books
}

/** Every booked trade once; those that are booked meanwhile move others to the next page. */
async function allTrades(plan: RunPlan): Promise<readonly TradeView[]> {
  const found = new Map<string, TradeView>()
  for (let path: string | null = '/trades?limit=500'; path !== null; ) {
    const page: { trades: TradeView[]; next: string | null } = await request(plan, GATEWAY, path)
    for (const trade of page.trades) found.set(trade.hash, trade)
    path = page.next
  }
  return [...found.values()]
}
