/**
 * Memory of the whole fleet over time, by process, under reads through the gateway and kills.
 * node bench/soak.ts [seconds, default 3600] [reads per second, default 50] [seconds between kills, default 0 for none]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { readThroughGateway } from '../src/cli/chaos/reads.ts'
import type { StatusView } from '../src/gateway/api/schema.ts'
import { Fleet } from '../test/support/fleet.ts'
import { fleetMemory } from './process-memory.ts'
import { quantile } from './recovery.ts'

const [seconds = 3_600, readsPerSecond = 50, killSeconds = 0] = process.argv.slice(2).map(Number)
const ROWS = 12
const VICTIMS = [
  'mcp_price_feed_server',
  'mcp_monitoring_server',
  'mcp_defi_analyzer_server',
  'mcp_coordinator_server',
  'coordination_system',
  'dashboard',
  'transaction_executor',
  'self_healing_agent',
  'arbitrage_detector',
]
const fleet = new Fleet(11_000)
const stop = new AbortController()

const servicesOf = (status: StatusView) =>
  Object.entries({ ...status.servers, ...status.agents, ...status.main, ...status.infrastructure })

/** MiB by unit; processes that are no cell by the name of their program. */
async function memoryByUnit(): Promise<Map<string, number>> {
  const services = await fleet.status().then(servicesOf, () => [])
  const units = new Map(services.map(([id, { pid, cell }]) => [pid, cell ?? id]))
  const sums = new Map<string, number>()
  for (const { pid, program, bytes } of fleetMemory(fleet.data)) {
    const name = program === 'cell' ? (units.get(pid) ?? 'spare') : program
    sums.set(name, (sums.get(name) ?? 0) + bytes / 2 ** 20)
  }
  return sums
}

async function killInTurn(): Promise<void> {
  for (let kills = 0; killSeconds > 0 && !stop.signal.aborted; kills++) {
    await sleep(killSeconds * 1_000, undefined, { signal: stop.signal }).catch(() => undefined)
    const victim = VICTIMS[kills % VICTIMS.length]
    const services = await fleet.status().then(servicesOf, () => [])
    const pid = services.find(([id]) => id === victim)?.[1].pid
    if (pid && !stop.signal.aborted) process.kill(pid, 'SIGKILL')
  }
}

try {
  await fleet.start(120_000)
  const reads = readThroughGateway({
    url: fleet.url(8_000, '/mcp?tools=all'),
    token: fleet.token,
    perSecond: readsPerSecond,
    repeats: true,
    stop: stop.signal,
  })
  const kills = killInTurn()
  const started = Date.now()
  let header: string[] = []
  for (let row = 0; row <= ROWS; row++) {
    await sleep(Math.max(0, started + (row * seconds * 1_000) / ROWS - Date.now()))
    const sums = await memoryByUnit()
    if (row === 0) {
      header = [...sums.keys()].sort()
      console.log(`| seconds | all | ${header.join(' | ')} |\n|${'---|'.repeat(header.length + 2)}`)
    }
    const all = [...sums.values()].reduce((sum, value) => sum + value, 0)
    const others = [...sums]
      .filter(([name]) => !header.includes(name))
      .map(([name, value]) => `${name} ${Math.round(value)}`)
    console.log(
      `| ${Math.round((Date.now() - started) / 1_000)} | ${Math.round(all)} MiB | ${header.map((name) => Math.round(sums.get(name) ?? 0)).join(' | ')} | ${others.join(', ')}`,
    )
  }
  stop.abort()
  const { sent, lost, times, errors } = await reads
  await kills
  console.log(
    `reads ${sent}, lost ${lost} ${JSON.stringify(errors)}, median ${quantile(times as number[], 0.5).toFixed(1)} ms, p99 ${quantile(times as number[], 0.99).toFixed(1)} ms`,
  )
} finally {
  await fleet.dispose()
}
process.exit(0)
