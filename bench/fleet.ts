/**
 * Start, memory and recovery of the whole fleet, on real processes.
 * node bench/fleet.ts [kills per cell, default 10] [stops, default 3]
 */
import { availableParallelism } from 'node:os'
import type { StatusView } from '../src/gateway/api/schema.ts'
import { Fleet } from '../test/support/fleet.ts'
import { fleetMemory } from './process-memory.ts'
import { type Answer, above, ms, quantile, sleep } from './recovery.ts'

const [kills = 10, stops = 3] = process.argv.slice(2).map(Number)
const fleet = new Fleet(10_000)

/** Memory of all processes of the fleet, in MB. */
function memory(): { megabytes: number; processes: number } {
  const processes = fleetMemory(fleet.data)
  return {
    megabytes: Math.round(processes.reduce((sum, { bytes }) => sum + bytes, 0) / 2 ** 20),
    processes: processes.length,
  }
}

/** A call that proves that a service works on state newer than `since`. */
const CALLS: Readonly<Record<string, (since: number) => Promise<boolean>>> = {
  trading: async (since) =>
    above((await answer(8091, { type: 'price_query', symbol: 'ETH' }))?.observedAt, since),
  infrastructure: async (since) => above((await answer(8088, { type: 'host_resources' }))?.observedAt, since),
  coordination: async () => Array.isArray((await answer(8077, { type: 'list_tasks', limit: 1 }))?.tasks),
  agents: async (since) =>
    (await fleet.get<{ state: { observedAt: number } }>(9003, '/health')).state?.observedAt > since,
  transaction_executor: async () =>
    above((await answer(9004, { type: 'execution_summary' }))?.tradesBooked, -1),
  coordination_system: async () => (await fleet.get<StatusView>(8000, '/status')).metrics !== null,
  dashboard: async () => (await fleet.get<StatusView>(8080, '/api/status')).metrics !== null,
}
async function answer(port: number, body: unknown): Promise<Answer | undefined> {
  const response = await fleet.query(port, body, { connection: 'close' })
  return ((await response.json()) as { result?: Answer }).result
}

async function recover(cell: string, signal: 'SIGKILL' | 'SIGSTOP'): Promise<number> {
  const all = (status: StatusView) => Object.values({ ...status.servers, ...status.agents, ...status.main })
  const services = all(await fleet.get<StatusView>(8080, '/api/status').catch(() => fleet.status())).filter(
    (service) => service.cell === cell,
  )
  process.kill(services[0]?.pid as number, signal)
  const since = Date.now()
  const started = performance.now()
  for (;;) {
    const ready = await Promise.all(
      services.map((service) =>
        fetch(`http://127.0.0.1:${service.port}/ready`, {
          headers: { connection: 'close' },
          signal: AbortSignal.timeout(200),
        }).then(
          (response) => response.ok,
          () => false,
        ),
      ),
    )
    if (ready.every(Boolean) && (await CALLS[cell]?.(since).catch(() => false)))
      return performance.now() - started
    if (performance.now() - started > 20_000) throw new Error(`${cell} did not come back`)
    await sleep(2)
  }
}

try {
  const begun = performance.now()
  await fleet.start()
  const ready = performance.now() - begun
  await sleep(1_000)
  const atStart = memory()
  await fleet.until('profit booked', async () =>
    (await fleet.trades()).some((trade) => BigInt(trade.realisedProfit) > 0n),
  )
  const profit = performance.now() - begun
  const atProfit = memory()
  console.log(
    `machine: ${availableParallelism()} cores, Node ${process.version}; ${(await fleet.status()).profile} profile\n`,
  )
  console.log('| what | figure |\n|---|---|')
  console.log(
    `| from the command to everything healthy | ${ms(ready)} (of which start phase ${ms((await fleet.status()).readyMs ?? 0)}) |`,
  )
  console.log(`| from the command to the first profit booked at finality | ${ms(profit)} |`)
  console.log(
    `| memory (PSS) one second after the start, while the spare warms up | ${atStart.megabytes} MB in ${atStart.processes} processes |`,
  )
  console.log(
    `| memory (PSS) at that first profit, the spare warm | ${atProfit.megabytes} MB in ${atProfit.processes} processes |`,
  )
  // Cells in turn, so that none fails often enough within a minute to be quarantined as a crash loop.
  const times = new Map<string, number[]>(Object.keys(CALLS).map((cell) => [cell, []]))
  for (let round = 0; round < kills; round++) {
    for (const [cell, list] of times) {
      await sleep(1_500)
      list.push(await recover(cell, 'SIGKILL'))
    }
  }
  for (const [cell, list] of times) {
    console.log(
      `| killed: ${cell} ready and answering on newer data, median / p95 / worst of ${kills} | ${ms(quantile(list, 0.5))} / ${ms(quantile(list, 0.95))} / ${ms(Math.max(...list))} |`,
    )
  }
  const hung: number[] = []
  for (let i = 0; i < stops; i++) {
    await sleep(3_000)
    hung.push(await recover('trading', 'SIGSTOP'))
  }
  console.log(
    `| hung (SIGSTOP): trading noticed, killed and answering, median / worst of ${stops} | ${ms(quantile(hung, 0.5))} / ${ms(Math.max(...hung))} |`,
  )
  const after = memory()
  console.log(`| memory (PSS) after all that | ${after.megabytes} MB in ${after.processes} processes |`)
  const { state } = await fleet.get<{
    state: { blockToSentMs: { median: number; p99: number; count: number } }
  }>(9004, '/health')
  console.log(
    `| block seen to transaction sent, median / p99 of ${state.blockToSentMs.count} since its last start | ${state.blockToSentMs.median} ms / ${state.blockToSentMs.p99} ms |`,
  )
  const { metrics } = await fleet.status()
  console.log(
    `| trades by outcome, ${metrics?.tradesBooked} in all | ${Object.entries(metrics?.outcomeShares ?? {})
      .map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`)
      .join(', ')} |`,
  )
  console.log(`| Ctrl-C until no process is left | ${ms(await fleet.stop())} |`)
} finally {
  await fleet.dispose()
}
