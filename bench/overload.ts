/**
 * The fleet beside programs that use the machine: busy loops, each in a session of its own so that the kernel
 * shares the CPU as among programs, and reads through the gateway. Prints false kills, lost reads, reads that
 * were answered "later", latencies, trades, and how long after the end everything is well.
 * node bench/overload.ts [busy loops, default 4] [seconds, default 120] [reads per second, default 50] [port offset, default 10000]
 */
import { availableParallelism } from 'node:os'
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { BusyPrograms, REPLACEMENTS } from '../test/support/busy-programs.ts'
import { Fleet } from '../test/support/fleet.ts'
import { measureCpu } from './cpu.ts'
import { ms, quantile, sleep } from './recovery.ts'

const [loops = 4, seconds = 120, perSecond = 50, offset = 10_000] = process.argv.slice(2).map(Number)
/** A client waits this long for an answer. */
const DEADLINE_MS = 30_000
const CALLS: readonly (readonly [tool: string, args: Record<string, unknown>])[] = [
  ['mcp_price_feed_server__price_query', { symbol: 'ETH' }],
  ['mcp_price_feed_server__list_symbols', {}],
  ['dex_aggregator_mcp_server__list_dexes', {}],
  ['mcp_coordinator_server__list_tasks', { limit: 1 }],
  ['mcp_monitoring_server__host_resources', {}],
  ['mcp_defi_analyzer_server__protocol_overview', {}],
  ['mcp-health-check__health', {}],
  ['arbitrage_detector__detection_statistics', {}],
  ['transaction_executor__execution_summary', {}],
]

const fleet = new Fleet(offset)
const control = socketPath(fleet.data, 'control')
const busy = new BusyPrograms()
const times: number[] = []
const failures = new Map<string, number>()
const later = new Map<string, number>()
let [sent, lost] = [0, 0]

async function read(count: number): Promise<void> {
  const [name, args] = CALLS[count % CALLS.length] as (typeof CALLS)[number]
  sent++
  const started = performance.now()
  const fail = (why: string) => {
    lost++
    failures.set(why, (failures.get(why) ?? 0) + 1)
  }
  try {
    const response = await fetch(fleet.url(8000, '/mcp'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: count,
        method: 'tools/call',
        params: { name, arguments: args },
      }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    const text = await response.text()
    const code = /"code":"(overloaded|busy|too-many-calls)"/.exec(text)?.[1]
    if (code) later.set(code, (later.get(code) ?? 0) + 1)
    else if (!response.ok || text.includes('"isError":true') || !text.includes('"result"'))
      fail(`${name}: ${response.status} ${text.slice(0, 120)}`)
  } catch (error) {
    const { message, cause } = error as Error & { cause?: { code?: string } }
    fail(`${name}: ${message} ${cause?.code ?? ''}`)
  }
  times.push(performance.now() - started)
}

/** Reads at the given rate until `until`; resolves when the last one has ended. */
async function readUntil(until: number): Promise<void> {
  const started = performance.now()
  const running: Promise<void>[] = []
  for (let count = 0; performance.now() < until; count++) {
    running.push(read(count))
    await sleep(Math.max(0, started + ((count + 1) * 1_000) / perSecond - performance.now()))
  }
  await Promise.all(running)
}

/** All services are healthy, the overload is over, nothing raises an alarm, and a later block is decided on. */
async function isWell(since: number): Promise<boolean> {
  const { services, overload, alarms } = await askSupervisor(control, { op: 'status' })
  if (overload || alarms.length > 0 || services.some(({ status }) => status !== 'healthy')) return false
  const { opportunities } = await fleet.get<{
    opportunities: { decidedAt: number; outcome: { stage: string } }[]
  }>(8000, '/opportunities?limit=10')
  return opportunities.some(({ decidedAt, outcome }) => decidedAt > since && outcome.stage !== 'paused')
}

async function wellAgain(): Promise<number> {
  const [started, since] = [performance.now(), Date.now()]
  while (!(await isWell(since).catch(() => false))) {
    if (performance.now() - started > 120_000) return Number.POSITIVE_INFINITY
    await sleep(50)
  }
  return performance.now() - started
}

const incidents = async () => (await askSupervisor(control, { op: 'incidents' }, 60_000)) ?? []

try {
  await fleet.start(120_000)
  await sleep(10_000)
  const before = await fleet.trades()
  for (let count = 0; count < 2 * CALLS.length; count++) await read(count)
  const [warmUp, atStart] = [times.length, Date.now()]
  if (lost > 0) throw new Error(`reads fail on the calm machine: ${[...failures.keys()].join('; ')}`)
  times.length = 0
  later.clear()
  ;[sent, lost] = [0, 0]
  busy.start(loops)
  const cpu = await measureCpu(fleet)
  await readUntil(performance.now() + seconds * 1_000)
  const shares = cpu()
  busy.end()
  const calm = await wellAgain()
  const during = (await incidents()).filter(({ at }) => at >= atStart)
  const replaced = during.filter(({ kind }) => REPLACEMENTS.has(kind))
  const after = await fleet.trades()
  const outcomes = Map.groupBy(after.slice(0, after.length - before.length), ({ outcome }) => outcome)
  console.log(
    `machine: ${availableParallelism()} cores, Node ${process.version}; ${loops} busy loops, ${perSecond} reads/s, ${seconds} s (after ${warmUp} reads on the calm machine)\n`,
  )
  console.log('| what | figure |\n|---|---|')
  console.log(`| processes replaced or separated | ${replaced.length} |`)
  console.log(
    `| reads sent / lost / answered "later" | ${sent} / ${lost} / ${[...later].map(([code, count]) => `${count} ${code}`).join(', ') || 0} |`,
  )
  console.log(
    `| latency of reads, median / p95 / p99 / worst | ${[0.5, 0.95, 0.99, 1].map((q) => ms(quantile(times, q))).join(' / ')} |`,
  )
  console.log(
    `| trades booked meanwhile | ${after.length - before.length}${[...outcomes].map(([name, trades]) => `, ${name} ${trades.length}`).join('')} |`,
  )
  console.log(`| after the end, until all is well | ${ms(calm)} |`)
  console.log(
    `| CPU meanwhile, shares of one core | ${shares.map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`).join(', ')} |`,
  )
  for (const { unit, kind, detail, at } of during)
    console.log(`  ${((at - atStart) / 1_000).toFixed(1)} s ${unit} ${kind}: ${detail}`)
  for (const [why, count] of failures) console.log(`  ${count} x ${why}`)
} finally {
  busy.end()
  await fleet.dispose()
}
