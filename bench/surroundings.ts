/**
 * Outages one after the other, with reads and trading on: after how many seconds each is shown, and after how
 * many seconds from its return everything is well again. Prints the table of docs/benchmarks.md.
 * `node bench/surroundings.ts [external|embedded|node …]`; Redis and PostgreSQL by REDIS_URL and DATABASE_URL.
 */
import { askPatiently } from '../src/adapters/fleet/control-client.ts'
import type { ChaosFault } from '../src/adapters/fleet/control-protocol.ts'
import type { FleetStatus } from '../src/ports/fleet.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { FaultyProxy, type ProxyMode } from '../test/support/faulty-proxy.ts'
import { Fleet } from '../test/support/fleet.ts'
import { startPolygon } from '../test/support/polygon.ts'
import { ownSchema } from '../test/support/schema.ts'

const REDIS_URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379'
const DATABASE_URL = process.env.DATABASE_URL || 'postgres://postgres@127.0.0.1:5432/test'
/** How long each outage lasts, and how long its return is waited for, in ms. */
const OUTAGE_MS = 12_000
const PATIENCE_MS = 60_000
const MODES: readonly (readonly [string, ProxyMode])[] = [
  ['killed', 'refuse'],
  ['hung', 'hang'],
  ['wrong', 'wrong'],
  ['slow', 'slow'],
]

interface Row {
  readonly what: string
  readonly fault: string
  readonly shownMs: number
  readonly wellMs: number
  readonly said: string
  readonly reads: string
}

const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms))
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`

/** Polls the fleet's status until `done`. Returns the ms; -1 after the patience. */
async function until(
  fleet: Fleet,
  done: (status: FleetStatus) => boolean | Promise<boolean>,
): Promise<number> {
  const from = performance.now()
  const path = socketPath(fleet.data, 'control')
  while (performance.now() - from < PATIENCE_MS) {
    const status = await askPatiently(path, { op: 'status' }).catch(() => undefined)
    if (status && (await done(status))) return performance.now() - from
    await sleep(20)
  }
  return -1
}

/** Reads of a price, ten a second, until stopped; returns how many of them failed. */
function read(fleet: Fleet): () => Promise<{ failed: number; all: number }> {
  let stopped = false
  let [failed, all] = [0, 0]
  const pending = new Set<Promise<void>>()
  const timer = setInterval(() => {
    if (stopped) return
    all++
    const one = fleet
      .query(8_091, { type: 'price_query', symbol: 'ETH' })
      .then((response) => response.ok || Promise.reject(new Error(String(response.status))))
      .then(
        () => undefined,
        () => void failed++,
      )
      .finally(() => pending.delete(one))
    pending.add(one)
  }, 100)
  return async () => {
    stopped = true
    clearInterval(timer)
    await Promise.all(pending)
    return { failed, all }
  }
}

/** Whether all is healthy and a price is newer than `since` (ms since 1970). */
const isWell = (fleet: Fleet, since: number) => async (status: FleetStatus) => {
  if (status.alarms.length > 0 || status.services.some((each) => each.status !== 'healthy')) return false
  const answer = await fleet.query(8_091, { type: 'price_query', symbol: 'ETH' }).catch(() => undefined)
  const body = (await answer?.json().catch(() => undefined)) as
    | { result?: { observedAt: number } }
    | undefined
  return (body?.result?.observedAt ?? 0) > since
}

/** The words that are shown about a fault: of the row, of a service, or of an alarm. */
function saidOf({ services, alarms }: FleetStatus, id: string): string {
  const own = services.find((each) => each.id === id)
  return own?.detail ?? services.find(({ detail }) => detail)?.detail ?? alarms[0]?.message ?? ''
}

/**
 * Injects a fault, keeps it for a while, takes it back with `end`, and measures both. Without `end` the fleet
 * brings the part back by itself: the time until all is well counts from the fault.
 */
async function measure(
  fleet: Fleet,
  id: string,
  fault: string,
  start: () => unknown,
  end?: () => unknown,
): Promise<Row> {
  await until(fleet, isWell(fleet, 0))
  const stopReading = read(fleet)
  const before = await askPatiently(socketPath(fleet.data, 'control'), { op: 'incidents' })
  const [faultAt, faultMs] = [Date.now(), performance.now()]
  await start()
  let said = ''
  const shownMs = await until(fleet, async (status) => {
    const found = status.services.find((each) => each.id === id)
    said = saidOf(status, id)
    if (found?.status !== 'healthy') return true
    const incidents = await askPatiently(socketPath(fleet.data, 'control'), { op: 'incidents' })
    const fresh = incidents.slice(before.length).find(({ unit }) => unit === id || unit === 'localnet')
    said = fresh?.detail ?? said
    return fresh !== undefined
  })
  if (end) await sleep(Math.max(0, OUTAGE_MS - shownMs))
  const back = end ? { at: Date.now(), ms: performance.now() } : { at: faultAt, ms: faultMs }
  await end?.()
  const restored = await until(fleet, isWell(fleet, back.at))
  const wellMs = restored < 0 ? restored : performance.now() - back.ms
  const { failed, all } = await stopReading()
  const row = { what: id, fault, shownMs, wellMs, said, reads: `${failed} of ${all}` }
  console.error(
    `${id} ${fault}: shown ${seconds(shownMs)}, well ${seconds(wellMs)}, ${said}; reads failed ${row.reads}`,
  )
  return row
}

async function external(): Promise<Row[]> {
  const schema = await ownSchema(DATABASE_URL)
  const database = await FaultyProxy.before(schema.url)
  const redis = await FaultyProxy.before(REDIS_URL)
  const fleet = new Fleet(12_000, ['--block-seconds', '1'], {
    DATABASE_URL: database.url,
    REDIS_URL: redis.url,
  })
  const rows: Row[] = []
  try {
    await fleet.start(90_000)
    for (const [id, { proxy }] of [
      ['redis', redis],
      ['database', database],
    ] as const)
      for (const [name, mode] of MODES)
        rows.push(
          await measure(
            fleet,
            id,
            name,
            () => proxy.set(mode),
            () => proxy.set('pass'),
          ),
        )
  } finally {
    await fleet.dispose()
    await Promise.all([database.proxy.close(), redis.proxy.close()])
    await schema.drop()
  }
  return rows
}

/** The fleet's own parts come back by themselves: the return is the fault itself. */
async function embedded(): Promise<Row[]> {
  const fleet = new Fleet(13_000, ['--block-seconds', '1'])
  const rows: Row[] = []
  const inject = (service: string, kind: 'kill' | 'stop') => () =>
    askPatiently(socketPath(fleet.data, 'control'), {
      op: 'inject-fault',
      service,
      fault: { kind } satisfies ChaosFault,
    })
  try {
    await fleet.start(90_000)
    for (const id of ['hub', 'database', 'chain'])
      for (const [name, kind] of [
        ['killed', 'kill'],
        ['hung', 'stop'],
      ] as const)
        rows.push(await measure(fleet, id, name, inject(id, kind)))
  } finally {
    await fleet.dispose()
  }
  return rows
}

async function node(): Promise<Row[]> {
  const polygon = await startPolygon()
  const proxy = await FaultyProxy.start({ host: '127.0.0.1', port: polygon.port })
  const fleet = new Fleet(14_000, ['--chain', 'polygon'], { POLYGON_RPC_URL: `ws://127.0.0.1:${proxy.port}` })
  const rows: Row[] = []
  try {
    await fleet.start(90_000)
    for (const [name, mode] of MODES)
      rows.push(
        await measure(
          fleet,
          'node',
          name,
          () => proxy.set(mode),
          () => proxy.set('pass'),
        ),
      )
  } finally {
    await fleet.dispose()
    await proxy.close()
    await polygon.stop()
  }
  return rows
}

const SUITES: Readonly<Record<string, () => Promise<Row[]>>> = { external, embedded, node }
const wanted = process.argv.slice(2)
const rows: Row[] = []
for (const [name, suite] of Object.entries(SUITES))
  if (wanted.length === 0 || wanted.includes(name)) rows.push(...(await suite()))
console.log(
  '| what | fault | shown after | well after its return, of embedded parts after the fault | failed reads | what is said |\n|---|---|---|---|---|---|',
)
for (const { what, fault, shownMs, wellMs, reads, said } of rows)
  console.log(
    `| ${what} | ${fault} | ${seconds(shownMs)} | ${seconds(wellMs)} | ${reads} | ${said.replace(/127\.0\.0\.1:\d+/g, 'HOST:PORT')} |`,
  )
