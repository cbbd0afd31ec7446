/**
 * Records failures of services of a real fleet: three minutes of normal reads, then one service slows down
 * steadily, calls of another start to wait, and the rest continue. Writes test/fixtures/recorded-latency.json
 * for bench/prediction.ts.
 * node bench/record-failures.ts [seconds of normal, default 200] [seconds of failing, default 160]
 */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { Fleet } from '../test/support/fleet.ts'

const [normal = 200, failing = 160] = process.argv.slice(2).map(Number)
/** Port and call of each service, and the delay of its cell in ms at a given second of the failure. */
const READ: readonly {
  port: number
  service: string
  cell: string
  call: Record<string, unknown>
  delay?: (second: number) => number
}[] = [
  {
    port: 8081,
    service: 'mcp_defi_analyzer_server',
    cell: 'analytics',
    call: { type: 'protocol_overview' },
    delay: (second) => second * 2,
  },
  {
    port: 8070,
    service: 'mcp-health-check',
    cell: 'development',
    call: { type: 'health' },
    delay: (second) => 1.04 ** second,
  },
  {
    port: 8088,
    service: 'mcp_monitoring_server',
    cell: 'infrastructure',
    call: { type: 'host_resources' },
    delay: (second) => (second > 40 ? 60 : 0),
  },
  {
    port: 8091,
    service: 'mcp_price_feed_server',
    cell: 'trading',
    call: { type: 'price_query', symbol: 'ETH' },
  },
  {
    port: 8077,
    service: 'mcp_coordinator_server',
    cell: 'coordination',
    call: { type: 'list_tasks', limit: 5 },
  },
]
const EVERY_MS = 100

const fleet = new Fleet(10_000)
try {
  await fleet.start(60_000)
  const control = socketPath(fleet.data, 'control')
  await sleep(5_000)
  let reading = true
  const reads = READ.map(async ({ port, call }) => {
    while (reading) {
      void fleet.query(port, call).then(
        (response) => response.text(),
        () => undefined,
      )
      await sleep(EVERY_MS)
    }
  })
  const series = new Map(READ.map(({ service }) => [service, [] as (number | null)[]]))
  let last = await askSupervisor(control, { op: 'vitals' })
  for (let second = 0; second < normal + failing; second++) {
    const at = performance.now()
    for (const { cell, delay } of READ)
      if (delay && second >= normal)
        await askSupervisor(control, {
          op: 'inject-fault',
          service: cell,
          fault: { kind: 'slow', ms: Math.round(delay(second - normal)), seconds: 3 },
        })
    await sleep(Math.max(0, 1_000 - (performance.now() - at)))
    const vitals = await askSupervisor(control, { op: 'vitals' })
    for (const { cell, service } of READ) {
      const [now, before] = [vitals[cell]?.services[service], last[cell]?.services[service]]
      const calls = now && before ? now.calls - before.calls : 0
      series
        .get(service)
        ?.push(
          now && before && calls > 0
            ? Number(((now.durationMs - before.durationMs) / calls).toFixed(3))
            : null,
        )
    }
    last = vitals
  }
  reading = false
  await Promise.all(reads)
  const recorded = READ.map(({ service, delay }) => ({
    service,
    fails: delay !== undefined,
    meanLatencyMs: series.get(service),
  }))
  writeFileSync(
    join(import.meta.dirname, '../test/fixtures/recorded-latency.json'),
    `${JSON.stringify({ recordedAt: new Date().toISOString(), failsFromSecond: normal, series: recorded })}\n`,
  )
} finally {
  await fleet.dispose()
}
