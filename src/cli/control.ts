/** The commands that ask or order a running fleet. */
import { resolve } from 'node:path'
import { askPatiently, askSupervisor, untilGone } from '../adapters/fleet/control-client.ts'
import { CATALOGUE, CATEGORIES } from '../fleet/catalogue/catalogue.ts'
import type { ServiceView, StatusView } from '../gateway/api/schema.ts'
import type { FleetStatus, Incident, ServiceStatus } from '../ports/fleet.ts'
import { socketPath } from '../processes/run/run-plan.ts'
import { SERVICE_NEEDS } from '../processes/services.gen.ts'
import { KintsugiError } from '../std/errors.ts'
import { packageVersion } from '../std/package-root.ts'
import { color, seconds, stateMark, table, units } from './format.ts'
import { type DataOptions, request, runningPlan } from './run.ts'

const STOP_TIMEOUT_MS = 12_000

export async function down(options: DataOptions): Promise<void> {
  const started = Date.now()
  await askSupervisor(socketPath(resolve(options.data), 'control'), { op: 'down' })
  if (!(await untilGone(socketPath(resolve(options.data), 'keeper'), STOP_TIMEOUT_MS)))
    throw new KintsugiError('stop-timeout', `the fleet has not ended after ${seconds(STOP_TIMEOUT_MS)}`)
  const elapsed = Date.now() - started
  console.log(
    options.json
      ? JSON.stringify({ stopped: true, elapsedMs: elapsed })
      : `${color.green('✓')} everything is stopped (${seconds(elapsed)})`,
  )
}

export async function status(options: DataOptions): Promise<void> {
  const plan = runningPlan(options)
  const view = await request<StatusView>(plan, 'coordination_system', '/status')
  if (options.json) {
    console.log(JSON.stringify(view, null, 2))
    return
  }
  const rows = (services: Record<string, ServiceView>) =>
    Object.entries(services).map(([id, s]) => [
      `${stateMark(s.status)} ${id}`,
      s.status,
      s.port === null ? '' : `:${s.port}`,
      s.cell,
      s.pid === null ? '' : `pid ${s.pid}`,
      s.restarts ? `${s.restarts} restarts` : '',
      color.dim(s.detail ?? ''),
    ])
  console.log(
    table([...rows(view.infrastructure), ...rows(view.main), ...rows(view.agents), ...rows(view.servers)]),
  )
  console.log(
    `\n${view.healthy ? color.green('healthy') : color.yellow('not all healthy')}, profile ${view.profile}, mode ${view.mode}${view.readyMs === null ? '' : `, ready after ${seconds(view.readyMs)}`}`,
  )
  if (view.chain)
    console.log(
      `chain ${view.chain.id} (${view.chain.network}) at block ${view.chain.block}, final ${view.chain.finalized}`,
    )
  const { metrics } = view
  if (metrics) {
    console.log(`trades booked ${metrics.tradesBooked}${outcomes(metrics.outcomeShares)}`)
    for (const { symbol, decimals, amount } of metrics.profit)
      console.log(`  profit ${units(amount, decimals)} ${symbol}`)
    console.log(
      `  worth ${metrics.profitValue.toFixed(4)} ${view.chain?.quoteSymbol ?? ''} or ${metrics.profitNative.toFixed(6)} ${view.chain?.nativeSymbol ?? ''}; gas ${units(metrics.gasBooked, 18)} ${view.chain?.nativeSymbol ?? ''}`,
    )
  }
  if (metrics && (view.mode === 'paper' || metrics.paper.trades > 0))
    console.log(
      `on paper ${metrics.paper.trades} trades${outcomes(Object.fromEntries(Object.entries(metrics.paper.outcomes).map(([name, count]) => [name, count / metrics.paper.trades])))}, net ${metrics.paper.netNative.toFixed(6)} ${view.chain?.nativeSymbol ?? ''}`,
    )
  for (const problem of view.problems) console.log(color.yellow(problem))
}

function outcomes(shares: Record<string, number>): string {
  const parts = Object.entries(shares).map(([name, share]) => `${name} ${(share * 100).toFixed(1)} %`)
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

export async function health(options: DataOptions): Promise<void> {
  const state = await askSupervisor<FleetStatus>(socketPath(resolve(options.data), 'control'), {
    op: 'status',
  })
  const unhealthy = state.services.filter((service) => service.status !== 'healthy')
  if (options.json)
    console.log(
      JSON.stringify({ healthy: unhealthy.length === 0, services: state.services.length, unhealthy }),
    )
  else if (unhealthy.length === 0)
    console.log(`${color.green('✓')} all ${state.services.length} services are healthy`)
  else
    console.log(
      table(
        unhealthy.map((service) => [
          `${stateMark(service.status)} ${service.id}`,
          service.status,
          service.detail ?? '',
        ]),
      ),
    )
  if (unhealthy.length > 0) process.exitCode = 1
}

export function info(options: DataOptions): void {
  const built = new Set(Object.keys(SERVICE_NEEDS))
  const categories = Object.entries(CATEGORIES).map(([category, title]) => {
    const entries = CATALOGUE.filter((entry) => entry.category === category)
    return {
      category,
      title,
      total: entries.length,
      built: entries.filter((entry) => built.has(entry.id)).length,
    }
  })
  if (options.json) {
    console.log(
      JSON.stringify(
        {
          version: packageVersion(),
          node: process.version,
          dataFolder: resolve(options.data),
          categories,
          services: CATALOGUE.map((entry) => ({ ...entry, built: built.has(entry.id) })),
        },
        null,
        2,
      ),
    )
    return
  }
  console.log(`kintsugi ${packageVersion()}, Node ${process.version}, data in ${resolve(options.data)}\n`)
  console.log(table(categories.map(({ title, total, built: done }) => [title, `${done} of ${total} built`])))
  console.log(
    `\n${table(CATALOGUE.filter((entry) => built.has(entry.id)).map((entry) => [entry.id, `:${entry.port}`, color.dim(entry.duty)]))}`,
  )
}

/** Stops a service until it is started; calls under way are answered first. */
export async function stopService(service: string, options: DataOptions & { for?: number }): Promise<void> {
  const forMs = options.for === undefined ? {} : { forMs: options.for * 1_000 }
  const state = await askPatiently<ServiceStatus>(socketPath(resolve(options.data), 'control'), {
    op: 'stop',
    service,
    reason: 'stopped on the command line',
    ...forMs,
  })
  const together = (
    await askPatiently<FleetStatus>(socketPath(resolve(options.data), 'control'), { op: 'status' })
  ).services
    .filter(({ cell }) => cell === state.cell)
    .map(({ id }) => id)
  console.log(
    options.json
      ? JSON.stringify({ stopping: together })
      : `stopping ${together.join(', ')}${options.for === undefined ? '' : ` for ${seconds(options.for * 1_000)}`}`,
  )
}

export async function startService(service: string, options: DataOptions): Promise<void> {
  const state = await askPatiently<ServiceStatus>(socketPath(resolve(options.data), 'control'), {
    op: 'start',
    service,
  })
  console.log(options.json ? JSON.stringify(state) : `${service} is ${state.status}`)
}

/** What was seen and done lately, oldest first. */
export async function incidents(options: DataOptions & { lines: number }): Promise<void> {
  const all = await askPatiently<readonly Incident[]>(socketPath(resolve(options.data), 'control'), {
    op: 'incidents',
  })
  const latest = all.slice(-options.lines)
  if (options.json) console.log(JSON.stringify({ incidents: latest }, null, 2))
  else if (latest.length === 0) console.log('nothing has happened since the fleet came up')
  else
    for (const { at, unit, kind, detail, action } of latest)
      console.log(
        `${color.dim(new Date(at).toLocaleTimeString())} ${color.bold(unit)} ${kind}: ${detail}${action === 'none' ? '' : `; ${action}`}`,
      )
}

export async function restart(service: string, options: DataOptions): Promise<void> {
  const path = socketPath(resolve(options.data), 'control')
  const started = Date.now()
  const before = await askPatiently<ServiceStatus>(path, {
    op: 'restart',
    service,
    reason: 'asked for on the command line',
  })
  for (;;) {
    const found = (await askPatiently<FleetStatus>(path, { op: 'status' })).services.find(
      (candidate) => candidate.id === before.id,
    )
    // While a stand-in opens, the old process still serves.
    if (found?.status === 'healthy' && found.pid !== before.pid) {
      console.log(
        options.json
          ? JSON.stringify({ ...found, elapsedMs: Date.now() - started })
          : `${color.green('✓')} ${found.id} is healthy again (${seconds(Date.now() - started)}, pid ${found.pid})`,
      )
      return
    }
    if (Date.now() - started > 30_000)
      throw new KintsugiError(
        'restart-timeout',
        `${before.id} is ${found?.status ?? 'gone'} 30 s after the restart${found?.detail ? `: ${found.detail}` : ''}`,
        {
          hint: `npx kintsugi logs ${before.cell}`,
        },
      )
    await new Promise((done) => setTimeout(done, 100))
  }
}

export async function call(
  service: string,
  tool: string,
  given: string,
  options: DataOptions,
): Promise<void> {
  const plan = runningPlan(options)
  let parsed: unknown
  try {
    parsed = JSON.parse(given)
  } catch {
    throw new KintsugiError('bad-json', `the arguments are not JSON: ${given.slice(0, 60)}`, {
      hint: `for example '{"symbol":"ETH"}'`,
    })
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new KintsugiError('bad-json', 'the arguments must be a JSON object', {
      hint: `for example '{"symbol":"ETH"}'`,
    })
  const { result } = await request<{ result: unknown }>(plan, service, '/query', {
    method: 'POST',
    body: JSON.stringify({ ...parsed, type: tool }),
  })
  console.log(options.json ? JSON.stringify(result) : JSON.stringify(result, null, 2))
}
