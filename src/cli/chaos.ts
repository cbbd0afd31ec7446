/** `kintsugi chaos run`: harm done on purpose to a running fleet, for a bounded time, and a report of what it cost. */
import { statfsSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JsonRpcChain } from '../adapters/chain/json-rpc.ts'
import { askPatiently, type ChaosHarm } from '../adapters/fleet/control-client.ts'
import { type BooksCheck, checkBooks } from '../engine/books/books-check.ts'
import {
  nextVictims,
  SCENARIOS,
  type Scenario,
  type ScenarioName,
  type Victim,
} from '../fleet/simulation/chaos.ts'
import type { StatusView, TradeView } from '../gateway/api/schema.ts'
import { connectMcp } from '../mcp/client.ts'
import type { FleetStatus } from '../ports/fleet.ts'
import { socketPath } from '../processes/run/run-plan.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import { seededRandom } from '../std/random.ts'
import { color, seconds } from './format.ts'
import { type DataOptions, readToken, request, runningPlan } from './run.ts'

export interface ChaosOptions extends DataOptions {
  seconds: number
  /** Reads through the gateway per second; 0 for none. */
  reads: number
  seed: number
  /** Whether the gateway itself may be hit: reads under way in it are then repeated by the client, as any client would. */
  includeGateway?: boolean
}

export interface ChaosReport {
  scenario: string
  seed: number
  seconds: number
  harms: { victims: string[]; at: number }[]
  /** From harm until everything of the victim's process was healthy; ms. */
  recoveries: { count: number; median: number; p99: number; worst: number; missing: number }
  reads: { sent: number; lost: number; median: number; p99: number; errors: Record<string, number> }
  trades: { before: number; after: number; books: BooksCheck | null }
  healthyAfterwards: boolean
  healthyAfterMs: number
}

const GATEWAY = 'coordination_system'
/** A full disk is only played on a small one. */
const MAX_BALLAST_BYTES = 2_000_000_000
const SETTLE_MS = 60_000
const PATIENCE_MS = 10_000

export function listScenarios(options: { json?: boolean }): void {
  if (options.json) console.log(JSON.stringify(SCENARIOS, null, 2))
  else for (const [name, { title }] of Object.entries(SCENARIOS)) console.log(`${name.padEnd(12)} ${title}`)
}

export async function runChaos(name: string, options: ChaosOptions): Promise<void> {
  const scenario: Scenario | undefined = SCENARIOS[name as ScenarioName]
  if (!scenario)
    throw new KintsugiError('bad-argument', `scenario: there is none called ${JSON.stringify(name)}`, {
      hint: `there are ${Object.keys(SCENARIOS).join(', ')}`,
    })
  const plan = runningPlan(options)
  if (plan.mode !== 'local')
    throw new KintsugiError('refused', `chaos is for the local chain; this fleet runs in mode ${plan.mode}`, {
      hint: 'start one with `npx kintsugi up --data FOLDER`',
    })
  const control = socketPath(plan.dataFolder, 'control')
  const status = () => askPatiently<FleetStatus>(control, { op: 'status' })
  const random = seededRandom(options.seed)
  const say = (text: string) => options.json || console.log(text)
  say(`${color.bold('chaos')} ${scenario.title}, for ${options.seconds} s, seed ${options.seed}`)
  const chain = new JsonRpcChain({ url: `http://127.0.0.1:${plan.chainPort}` })
  const view = await askGateway<StatusView>(plan, '/status')
  const from = await chain.block('latest')
  const tradesBefore = view.metrics?.tradesBooked ?? 0
  const reading = new AbortController()
  const reads = readThroughGateway(
    `http://127.0.0.1:${plan.ports[GATEWAY]}/mcp`,
    readToken(plan),
    options.reads,
    options.includeGateway === true,
    reading.signal,
  )
  const harms: { victims: string[]; at: number }[] = []
  const waits: Promise<number | undefined>[] = []
  const stopAt = Date.now() + options.seconds * 1_000
  let interrupted = false
  process.once('SIGINT', () => {
    interrupted = true
  })
  while (Date.now() < stopAt && !interrupted) {
    const victims = nextVictims(
      scenario,
      await victimsOf(status, options.includeGateway === true || options.reads === 0),
      random,
    )
    harms.push({ victims: victims.map(({ id }) => id), at: Date.now() })
    say(
      `${color.dim(seconds(options.seconds * 1_000 - (stopAt - Date.now())))} ${scenario.kind} ${victims.map(({ id }) => id).join(' and ')}`,
    )
    if (scenario.kind === 'disk') fillDisk(plan.dataFolder)
    for (const victim of victims) waits.push(harm(control, status, victim, scenario))
    const left = stopAt - Date.now()
    await sleep(Math.max(0, Math.min(scenario.everyMs, left)))
    // A timer may be a moment early: that is no time for one more.
    if (left <= scenario.everyMs) break
  }
  const settleFrom = Date.now()
  const healthyAfterwards = await until(
    async () => (await status()).services.every((service) => service.status === 'healthy'),
    SETTLE_MS,
  )
  const healthyAfterMs = Date.now() - settleFrom
  reading.abort()
  const { sent, lost, times, errors } = await reads
  const recovered = await Promise.all(waits)
  const durations = recovered.filter((ms): ms is number => ms !== undefined).sort((a, b) => a - b)
  const report: ChaosReport = {
    scenario: name,
    seed: options.seed,
    seconds: options.seconds,
    harms,
    recoveries: {
      count: durations.length,
      median: quantile(durations, 0.5),
      p99: quantile(durations, 0.99),
      worst: Math.round(durations.at(-1) ?? 0),
      missing: recovered.length - durations.length,
    },
    reads: { sent, lost, median: quantile(times, 0.5), p99: quantile(times, 0.99), errors },
    trades: {
      before: tradesBefore,
      after: (await askGateway<StatusView>(plan, '/status')).metrics?.tradesBooked ?? 0,
      books: await booksOf(chain, plan, view, from.number),
    },
    healthyAfterwards,
    healthyAfterMs,
  }
  chain.close()
  print(report, options.json === true)
  if (!healthyAfterwards || lost > 0 || report.trades.books?.equal === false) process.exitCode = 1
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))

async function until(check: () => Promise<boolean>, timeoutMs: number): Promise<boolean> {
  const end = Date.now() + timeoutMs
  while (Date.now() < end) {
    if (await check().catch(() => false)) return true
    await sleep(50)
  }
  return false
}

/** The gateway may be a victim itself, or be served by one: what it is asked is asked again. Throws what came last. */
async function patiently<T>(ask: () => Promise<T>): Promise<T> {
  const end = Date.now() + PATIENCE_MS
  for (;;) {
    try {
      return await ask()
    } catch (error) {
      if (Date.now() > end) throw error
      await sleep(50)
    }
  }
}

const askGateway = <T>(plan: ReturnType<typeof runningPlan>, path: string): Promise<T> =>
  patiently(() => request<T>(plan, GATEWAY, path))

async function victimsOf(status: () => Promise<FleetStatus>, withGateway: boolean): Promise<Victim[]> {
  const { services } = await status()
  const cells = [
    ...new Set(
      services
        .filter((service) => service.kind !== 'infrastructure' && service.status === 'healthy')
        .map((service) => service.cell),
    ),
  ]
  const infrastructure = services.filter(
    (service) =>
      service.kind === 'infrastructure' &&
      service.status === 'healthy' &&
      service.id !== 'chain' &&
      service.id !== 'localnet',
  )
  return [
    ...cells.filter((id) => withGateway || id !== GATEWAY).map((id) => ({ id, group: 'cell' as const })),
    ...infrastructure.map(({ id }) => ({ id, group: 'infrastructure' as const })),
    ...['supervisor', 'keeper', 'watcher'].map((id) => ({ id, group: 'keeping' as const })),
  ]
}

/** Does it, and resolves with how long it took until the victim was well again; undefined where that was not seen. */
async function harm(
  control: string,
  status: () => Promise<FleetStatus>,
  { id, group }: Victim,
  { kind }: Scenario,
): Promise<number | undefined> {
  const harms: Record<string, ChaosHarm> = {
    kill: { kind: 'kill' },
    stop: { kind: 'stop' },
    slow: { kind: 'slow', ms: 300, seconds: 5 },
    leak: { kind: 'leak', bytesPerSecond: 5_000_000, seconds: 600 },
    disconnect: { kind: 'disconnect', seconds: 3 },
  }
  const wanted = harms[kind]
  if (!wanted) return undefined
  const pidOf = async () =>
    (await status()).services.find((service) => service.cell === id || service.id === id)?.pid
  const before = await pidOf().catch(() => undefined)
  const at = performance.now()
  try {
    await askPatiently(control, { op: 'harm', service: id, harm: wanted })
  } catch (error) {
    if (group !== 'keeping') console.error(`${color.yellow('warning')} ${id}: ${messageOf(error)}`)
  }
  const replaced = kind === 'kill' || kind === 'stop' || kind === 'leak'
  const well = await until(
    async () => {
      const { services } = await status()
      if (group === 'keeping') return true
      const own = services.filter((service) => service.cell === id || service.id === id)
      return (
        own.length > 0 &&
        own.every((service) => service.status === 'healthy' && (!replaced || service.pid !== before))
      )
    },
    kind === 'leak' ? 600_000 : SETTLE_MS,
  )
  return well ? performance.now() - at : undefined
}

/** Fills what is left of a small disk, for five seconds. */
function fillDisk(folder: string): void {
  const { bavail, bsize } = statfsSync(folder)
  if (bavail * bsize > MAX_BALLAST_BYTES)
    throw new KintsugiError(
      'refused',
      `${folder} has ${((bavail * bsize) / 1e9).toFixed(1)} GB free: a full disk is played on a small one only`,
      {
        hint: 'start the fleet with --data on a file system of less than 2 GB, such as a tmpfs',
      },
    )
  const path = join(folder, 'ballast')
  try {
    for (let size = bavail * bsize; size > 4_096; size = Math.floor(size / 2)) {
      try {
        writeFileSync(path, Buffer.alloc(Math.min(size, 64_000_000)), { flag: 'a' })
        if (size > 64_000_000) size *= 2
      } catch {
        // Less fits: half of it is tried.
      }
    }
  } finally {
    setTimeout(() => {
      truncateSync(path, 0)
      unlinkSync(path)
    }, 5_000)
  }
}

/** Reads at a fixed rate, whatever becomes of them; every answer with data counts as one that was not lost. */
async function readThroughGateway(
  url: string,
  token: string | undefined,
  perSecond: number,
  repeats: boolean,
  stop: AbortSignal,
) {
  const times: number[] = []
  const errors: Record<string, number> = {}
  let sent = 0
  let lost = 0
  if (perSecond === 0) return { sent, lost, times, errors }
  const connection = await patiently(() => connectMcp({ url, name: 'chaos', ...(token ? { token } : {}) }))
  const calls: [string, Record<string, unknown>][] = [
    ['mcp_price_feed_server__price_query', { symbol: 'ETH' }],
    ['dex_aggregator_mcp_server__list_dexes', {}],
    ['mcp_coordinator_server__list_tasks', { limit: 1 }],
    ['mcp_monitoring_server__host_resources', {}],
  ]
  const underWay = new Set<Promise<void>>()
  const one = async ([tool, given]: [string, Record<string, unknown>]) => {
    sent++
    const started = performance.now()
    try {
      await connection.callTool(tool, given).catch((error) => {
        if (!repeats || error instanceof KintsugiError) throw error
        return connection.callTool(tool, given)
      })
    } catch (error) {
      lost++
      const text = `${tool}: ${messageOf(error)}`.slice(0, 160)
      errors[text] = (errors[text] ?? 0) + 1
    }
    times.push(performance.now() - started)
  }
  const begun = performance.now()
  for (let count = 0; !stop.aborted; count++) {
    const call = one(calls[count % calls.length] as (typeof calls)[number])
    underWay.add(call)
    void call.then(() => underWay.delete(call))
    await sleep(Math.max(0, begun + ((count + 1) * 1_000) / perSecond - performance.now()))
  }
  await Promise.all(underWay)
  await connection.close().catch(() => undefined)
  times.sort((a, b) => a - b)
  return { sent, lost, times, errors }
}

/** The ledger against the chain, over all blocks of the chaos; null where the chain was replaced meanwhile. */
async function booksOf(
  chain: JsonRpcChain,
  plan: ReturnType<typeof runningPlan>,
  before: StatusView,
  from: number,
): Promise<BooksCheck | null> {
  const after = await askGateway<StatusView>(plan, '/status')
  if (!before.accounts || before.chain?.genesis !== after.chain?.genesis) return null
  const to = (await chain.block('finalized')).number
  let books: BooksCheck | null = null
  // Booking follows finality by a moment.
  await until(async () => {
    const { trades } = await askGateway<{ trades: TradeView[] }>(plan, '/trades?limit=10000')
    books = await checkBooks(chain, before.accounts as NonNullable<StatusView['accounts']>, trades, from, to)
    return books.equal
  }, 20_000)
  return books
}

function quantile(sorted: readonly number[], share: number): number {
  return Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0)
}

function print(report: ChaosReport, json: boolean): void {
  if (json) {
    console.log(JSON.stringify(report, null, 2))
    return
  }
  const { recoveries, reads, trades } = report
  const mark = (ok: boolean) => (ok ? color.green('✓') : color.red('✗'))
  console.log(`
${mark(report.healthyAfterwards)} everything healthy ${seconds(report.healthyAfterMs)} after the last harm
${mark(recoveries.missing === 0)} ${report.harms.length} harms, recovered after ${recoveries.median} ms (median), ${recoveries.p99} ms (p99), ${recoveries.worst} ms (worst)${recoveries.missing > 0 ? `, ${recoveries.missing} not seen to recover` : ''}
${mark(reads.lost === 0)} ${reads.sent} reads through the gateway, ${reads.lost} lost, ${reads.median} ms (median), ${reads.p99} ms (p99)
${mark(trades.books?.equal !== false)} ${trades.after - trades.before} trades booked meanwhile; ${trades.books ? (trades.books.equal ? `ledger equal to chain over ${trades.books.trades} of them` : trades.books.differences.join('; ')) : 'the chain was replaced, so the books were not compared'}`)
  for (const [error, count] of Object.entries(reads.errors)) console.log(`  ${count} × ${error}`)
}
