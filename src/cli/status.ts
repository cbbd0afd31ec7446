/** The commands that show a running fleet: status, health, incidents, info. */
import { resolve } from 'node:path'
import { askPatiently, askSupervisor } from '../adapters/fleet/control-client.ts'
import { CATALOGUE, CATEGORIES } from '../fleet/catalogue/catalogue.ts'
import { actionText } from '../fleet/incidents.ts'
import type { MetricsView, ServiceView, StatusView } from '../gateway/api/schema.ts'
import type { Incident } from '../ports/fleet.ts'
import { SERVICE_NEEDS } from '../processes/services.gen.ts'
import { packageVersion } from '../std/package-root.ts'
import {
  alignDecimals,
  color,
  count,
  dateTime,
  seconds,
  short,
  shortAmount,
  stateMark,
  table,
} from './format.ts'
import { currentHalt, haltLine } from './halt.ts'
import { controlSocket, type DataOptions, request, runningPlan } from './run.ts'

/** Every service with its state, then the chain and the books. */
export async function status(options: DataOptions): Promise<void> {
  const view = await request<StatusView>(runningPlan(options), 'coordination_system', '/status')
  console.log(options.json ? JSON.stringify(view, null, 2) : statusText(view))
}

/** The status for people: services, then chain, books and problems. */
export function statusText(view: StatusView): string {
  const { chain, metrics } = view
  const ready = view.readyMs === null ? '' : `, ready after ${seconds(view.readyMs)}`
  return [
    table(
      [view.infrastructure, view.main, view.agents, view.servers].flatMap((group) =>
        Object.entries(group).map(serviceRow),
      ),
      ['  service', 'state', 'port', 'cell', 'process', 'restarts', ''],
    ),
    '',
    `${view.healthy ? color.green('healthy') : color.yellow('not all healthy')}, profile ${view.profile}, mode ${view.mode}, started ${dateTime(view.startedAt)}${ready}`,
    ...(chain
      ? [`chain ${chain.id} (${chain.network}) at block ${chain.block}, finalized ${chain.finalized}`]
      : []),
    ...(view.halt ? [color.red(`trading is ${haltLine(view.halt)}`)] : []),
    ...(metrics ? ['', booksText(metrics, view)] : []),
    ...view.alarms.map(({ message, since }) => color.yellow(`alarm since ${dateTime(since)}: ${message}`)),
    ...(view.overload
      ? [
          color.yellow(
            `overloaded since ${dateTime(view.overload.since)}: ${view.overload.detail}; load is shed, trading pauses`,
          ),
        ]
      : []),
    ...view.problems.map((problem) => color.yellow(problem)),
  ].join('\n')
}

const serviceRow = ([id, service]: [string, ServiceView]): string[] => [
  `${stateMark(service.status)} ${id}`,
  service.status,
  service.port === null ? '' : `:${service.port}`,
  service.cell,
  service.pid === null ? '' : `pid ${service.pid}`,
  service.restarts === 0 ? '' : String(service.restarts),
  color.dim(service.detail ?? ''),
]

function booksText(metrics: MetricsView, { chain, mode }: StatusView): string {
  const native = chain?.nativeSymbol ?? ''
  const figures: [name: string, figure: string, unit: string][] = [
    ...metrics.profit
      .filter(({ amount }) => amount !== '0')
      .map(({ symbol, decimals, amount }, index): [string, string, string] => [
        index === 0 ? 'profit' : '',
        shortAmount(amount, decimals),
        symbol,
      ]),
    ['worth', short(metrics.profitValue), chain?.quoteSymbol ?? ''],
    ['', short(metrics.profitNative), native],
    ['gas', shortAmount(metrics.gasBooked, 18), native],
  ]
  const aligned = alignDecimals(figures.map(([, figure]) => figure))
  const { paper } = metrics
  const paperShares = Object.fromEntries(
    Object.entries(paper.outcomes).map(([name, trades]) => [name, trades / paper.trades]),
  )
  return [
    `${count(metrics.tradesBooked, 'trade')} booked${sharesText(metrics.outcomeShares)}`,
    table(figures.map(([name, , unit], index) => [`  ${name}`, `${aligned[index]} ${unit}`])),
    ...(mode === 'paper' || paper.trades > 0
      ? [
          `${count(paper.trades, 'trade')} on paper${sharesText(paperShares)}, net ${short(paper.netNative)} ${native}`,
        ]
      : []),
  ].join('\n')
}

function sharesText(shares: Record<string, number>): string {
  const parts = Object.entries(shares).map(
    ([name, share]) => `${name.replace('-', ' ')} ${(share * 100).toFixed(1)} %`,
  )
  return parts.length === 0 ? '' : ` (${parts.join(', ')})`
}

/** Unhealthy services and alarms: exit code 1 if there are any. A halt of trading is shown, but is none. */
export async function health(options: DataOptions): Promise<void> {
  const state = await askSupervisor(controlSocket(options), { op: 'status' })
  const unhealthy = state.services.filter((service) => service.status !== 'healthy')
  const { alarms } = state
  const healthy = unhealthy.length === 0 && alarms.length === 0
  const halt = currentHalt(options) ?? null
  if (options.json)
    console.log(JSON.stringify({ healthy, services: state.services.length, unhealthy, alarms, halt }))
  else if (healthy) console.log(`${color.green('✓')} all ${state.services.length} services are healthy`)
  else
    console.log(
      table(
        [
          ...unhealthy.map(({ id, status, detail }) => [`${stateMark(status)} ${id}`, status, detail ?? '']),
          ...alarms.map(({ kind, message }) => [`${color.yellow('!')} ${kind}`, 'alarm', message]),
        ],
        ['  service', 'state', 'reason'],
      ),
    )
  if (halt && !options.json) console.log(color.red(`trading is ${haltLine(halt)}`))
  if (!healthy) process.exitCode = 1
}

/** The latest incidents and the action taken for each, oldest first. */
export async function incidents(options: DataOptions & { lines: number }): Promise<void> {
  const all = await askPatiently(controlSocket(options), { op: 'incidents' })
  const latest = all.slice(-options.lines)
  if (options.json) console.log(JSON.stringify({ incidents: latest }, null, 2))
  else console.log(latest.length === 0 ? 'no incidents since the fleet started' : incidentTable(latest))
}

/** Incidents with a header row; an incident that caused no action has an empty cell. */
export const incidentTable = (latest: readonly Incident[]): string =>
  table(
    latest.map(({ at, unit, kind, detail, action }) => [
      color.dim(dateTime(at)),
      color.bold(unit),
      kind,
      detail,
      actionText(action),
    ]),
    ['time', 'unit', 'kind', 'detail', 'action'],
  )

/** The catalogue, versions and the data folder. */
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
  const versions = {
    version: packageVersion(),
    node: process.version,
    dataFolder: resolve(options.data),
  }
  if (options.json) {
    const services = CATALOGUE.map((entry) => ({ ...entry, built: built.has(entry.id) }))
    console.log(JSON.stringify({ ...versions, categories, services }, null, 2))
    return
  }
  console.log(`kintsugi ${versions.version}, Node ${versions.node}, data folder ${versions.dataFolder}\n`)
  console.log(table(categories.map(({ title, total, built: done }) => [title, `${done} of ${total} built`])))
  console.log(
    `\n${table(
      CATALOGUE.filter((entry) => built.has(entry.id)).map((entry) => [
        entry.id,
        `:${entry.port}`,
        color.dim(entry.duty),
      ]),
      ['service', 'port', 'duty'],
    )}`,
  )
}
