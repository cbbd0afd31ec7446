/**
 * External services of a running fleet, each lost in four ways: shown with its reason within 5 s, nothing
 * restarted, and everything well within 10 s of the return, with trades.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { FaultyProxy, type ProxyMode } from './support/faulty-proxy.ts'
import { Fleet, kintsugi } from './support/fleet.ts'
import { listens } from './support/listens.ts'
import { type PolygonNode, startPolygon } from './support/polygon.ts'
import { type OwnSchema, ownSchema } from './support/schema.ts'

const REDIS_URL = process.env.REDIS_URL || 'redis://127.0.0.1:6379'
const DATABASE_URL = process.env.DATABASE_URL || 'postgres://postgres@127.0.0.1:5432/test'
const SHOWN_MS = 5_000
const WELL_MS = 10_000
/** A slow machine is given more time; the benchmark measures the figures. */
const SLACK = 2
const MODES: readonly ProxyMode[] = ['refuse', 'hang', 'wrong', 'slow']

interface Lost {
  readonly fleet: Fleet
  readonly proxy: FaultyProxy
  /** The row of the external service, a service that needs it, and one that does not. */
  readonly id: string
  readonly needs: string
  readonly mode: ProxyMode
}

const rowsOf = async (fleet: Fleet, ...ids: readonly string[]) => {
  const { infrastructure, servers, agents, main } = await fleet.status()
  const rows = { ...infrastructure, ...servers, ...agents, ...main }
  return ids.map((id) => rows[id])
}
const restartsOf = async (fleet: Fleet) => {
  const { servers, agents, main } = await fleet.status()
  return Object.values({ ...servers, ...agents, ...main }).reduce((sum, { restarts }) => sum + restarts, 0)
}

/** Takes the service away and brings it back; checks what is shown and how soon. */
async function loseAndReturn({ fleet, proxy, id, needs, mode }: Lost): Promise<void> {
  const restarts = await restartsOf(fleet)
  await proxy.set(mode)
  const shownMs = await fleet.until(
    `${id} ${mode} is shown`,
    async () => {
      const [row, service] = await rowsOf(fleet, id, needs)
      // The service may tell what it saw itself before it hears of the outage.
      return row?.status === 'degraded' && service?.detail === `waits for ${id}: ${row.detail}`
    },
    SHOWN_MS * SLACK,
  )
  const [row, service] = await rowsOf(fleet, id, needs)
  expect(row?.detail).toMatch(
    /nothing listens at|does not answer|does not speak|closed the connection|accepts no/,
  )
  // In words of its own, without secrets.
  expect(JSON.stringify([row, service])).not.toMatch(
    /ECONN|ENOENT|fetch failed|ioredis|viem|postgres:\/\/postgres@/,
  )
  const { code, stdout } = await kintsugi(['health', '--data', fleet.data])
  expect([code, stdout]).toEqual([1, expect.stringMatching(new RegExp(`${id} +degraded`))])
  await proxy.set('pass')
  const wellMs = await fleet.until(
    `all is well after ${id} ${mode}`,
    async () => (await fleet.status()).healthy,
    WELL_MS * SLACK,
  )
  expect(await restartsOf(fleet), 'nothing is restarted').toBe(restarts)
  console.log(`${id} ${mode}: shown after ${shownMs} ms, well ${wellMs} ms after its return`)
}

const servers = (await Promise.all([listens(REDIS_URL), listens(DATABASE_URL)])).every(Boolean)
if (!servers)
  console.log('skipped: outages of PostgreSQL and Redis, since at least one of them does not run here')

describe.runIf(servers)('PostgreSQL and Redis of the user', () => {
  let fleet: Fleet
  let schema: OwnSchema
  let database: FaultyProxy
  let redis: FaultyProxy
  beforeAll(async () => {
    schema = await ownSchema(DATABASE_URL)
    const [through, bus] = await Promise.all([FaultyProxy.before(schema.url), FaultyProxy.before(REDIS_URL)])
    database = through.proxy
    redis = bus.proxy
    fleet = new Fleet(11_000, ['--block-seconds', '1'], { DATABASE_URL: through.url, REDIS_URL: bus.url })
    await fleet.start(90_000)
  }, 120_000)
  afterAll(async () => {
    await fleet?.dispose()
    await Promise.all([database?.close(), redis?.close()])
    await schema?.drop()
  }, 60_000)

  test('are rows of the status, healthy, with their setting and without secrets', async () => {
    for (const [id, setting] of [
      ['database', 'DATABASE_URL'],
      ['redis', 'REDIS_URL'],
    ] as const)
      expect((await rowsOf(fleet, id))[0]).toMatchObject({
        status: 'healthy',
        title: expect.stringContaining(setting),
        pid: null,
      })
  })

  test.each(MODES)('Redis: %s', { timeout: 90_000 }, async (mode) => {
    await loseAndReturn({ fleet, proxy: redis, id: 'redis', needs: 'arbitrage_detector', mode })
    const trades = (await fleet.trades()).length
    await fleet.until('trades go on', async () => (await fleet.trades()).length > trades, 60_000)
  })

  test.each(MODES)('PostgreSQL: %s', { timeout: 90_000 }, async (mode) => {
    await loseAndReturn({ fleet, proxy: database, id: 'database', needs: 'transaction_executor', mode })
    const trades = (await fleet.trades()).length
    await fleet.until('trades go on', async () => (await fleet.trades()).length > trades, 60_000)
  })

  test('are not restarted from here; up with other options says what differs', {
    timeout: 60_000,
  }, async () => {
    const restart = await kintsugi(['restart', 'redis', '--data', fleet.data])
    expect(restart.code).toBe(1)
    expect(restart.stderr).toMatch(/redis is not run by this fleet: Redis \(REDIS_URL/)
    const args = ['up', '--detach', '--data', fleet.data, '--port-offset', '11000']
    const { code, stderr } = await kintsugi([...args, '--block-seconds', '1'], {
      DATABASE_URL: '',
      REDIS_URL: `redis://127.0.0.1:${redis.port}`,
    })
    expect(code).toBe(3)
    expect(stderr).toMatch(/^ {2}DATABASE_URL: postgres:\S+ is running, none was asked for$/m)
    expect(stderr).not.toMatch(/REDIS_URL|block-seconds/)
    const polygon = await kintsugi([...args, '--chain', 'polygon', '--json'], {
      DATABASE_URL: '',
      REDIS_URL: '',
      POLYGON_RPC_URL: 'http://127.0.0.1:1',
    })
    expect(polygon.code).toBe(3)
    expect(JSON.parse(polygon.stdout).differences).toContainEqual({
      option: '--chain',
      running: 'local',
      wanted: 'polygon',
    })
  })
})

describe('the node of a real chain', () => {
  let polygon: PolygonNode
  let proxy: FaultyProxy
  let fleet: Fleet
  beforeAll(async () => {
    polygon = await startPolygon()
    proxy = await FaultyProxy.start({ host: '127.0.0.1', port: polygon.port })
    fleet = new Fleet(9_000, ['--chain', 'polygon'], { POLYGON_RPC_URL: `ws://127.0.0.1:${proxy.port}` })
    await fleet.start(90_000)
  }, 120_000)
  afterAll(async () => {
    await fleet?.dispose()
    await proxy?.close()
    await polygon?.stop()
  }, 60_000)

  test.each(MODES)('%s', { timeout: 90_000 }, async (mode) => {
    await loseAndReturn({ fleet, proxy, id: 'node', needs: 'mcp_price_feed_server', mode })
    const price = async () =>
      (await (await fleet.query(8_091, { type: 'price_query', symbol: 'ETH' })).json()).result as {
        observedAt: number
      }
    const from = Date.now()
    await fleet.until('a newer price', async () => (await price()).observedAt > from, 20_000)
  })
})
