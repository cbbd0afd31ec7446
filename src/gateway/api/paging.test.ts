/** Lists of the REST API: pages with a hard maximum, their position, and few reads at a time. */
import { Hono } from 'hono'
import { beforeEach, expect, test } from 'vitest'
import { World } from '../../../test/support/world/world.ts'
import { LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import { guardedApp } from '../../mcp/host/http-app.ts'
import type { DecisionRecord } from '../../ports/ledger.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { apiRoutes } from './routes.ts'

interface Page {
  readonly total: number
  readonly next: string | null
  readonly opportunities: readonly { readonly id: string; readonly amountIn: string }[]
  readonly trades: readonly { readonly hash: string; readonly gasCost: string }[]
}

/** CPU time of one turn of the event loop: a fifth of the interval of heartbeats. */
const MAX_TURN_MS = 200

let world: World
let app: Hono
beforeEach(async () => {
  world = new World()
  for (let count = 0; count < 25; count++) {
    world.pass(1_000)
    const decision = await world.decide({}, count % 5 === 0 ? 'net profit' : undefined)
    await world.book(decision, { block: 100 + count, token: count < 3 ? '0x1' : decision.opportunity.token })
  }
  const access = { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES }
  app = guardedApp({
    access,
    identity: {},
    readiness: () => undefined,
    hint: '',
    health: () => ({}),
    now: world.now,
  })
  const api = new Hono()
  const sources = { ledger: world.ledger, manifest: () => world.market.manifest }
  apiRoutes(api, { access, sources, approvals: {}, mode: 'local', now: world.now } as never)
  app.route('/api', api)
})
const ask = async (path: string) => app.request(path, { headers: { host: 'localhost' } })
const get = async (path: string) => (await (await ask(path)).json()) as Page

test('the pages of a list follow each other until its end and hold each item once', async () => {
  const hashes: string[] = []
  const lengths: number[] = []
  for (let path: string | null = '/api/trades?limit=10'; path !== null; ) {
    const page: Page = await get(path)
    expect(page.total).toBe(25)
    hashes.push(...page.trades.map(({ hash }) => hash))
    lengths.push(page.trades.length)
    path = page.next
  }
  expect(lengths).toEqual([10, 10, 5])
  expect(new Set(hashes).size).toBe(25)
  expect(hashes).toEqual((await get('/api/trades?limit=500')).trades.map(({ hash }) => hash))
})

test('the next page keeps the filter, and the total counts what it lets through', async () => {
  const page = await get('/api/opportunities?verdict=refuse&limit=2')
  expect(page).toMatchObject({ total: 5, next: '/api/opportunities?verdict=refuse&limit=2&offset=2' })
  expect((await get('/api/opportunities?verdict=refuse&limit=2&offset=4')).next).toBeNull()
  expect(await get('/api/opportunities?offset=99')).toMatchObject({
    opportunities: [],
    total: 25,
    next: null,
  })
  expect(await get('/api/paper-trades')).toMatchObject({ trades: [], total: 0, next: null })
})

test('amounts are decimal strings', async () => {
  const [found] = (await get('/api/opportunities?limit=1')).opportunities
  expect(found?.amountIn).toBe(String((await world.ledger.decisions({ limit: 1 }))[0]?.opportunity.borrowed))
  expect((await get('/api/trades?limit=1')).trades[0]?.gasCost).toBe('10000000000000000')
})

/** CPU time of this thread in ms: other programs do not count. */
const cpuMs = () => {
  const { user, system } = process.threadCpuUsage()
  return (user + system) / 1_000
}

test('six clients that read the longest pages never hold the event loop for long', async () => {
  const text = encodeJson((await world.ledger.decisions({ limit: 1 }))[0])
  // As the database answers: some turns later, with texts to decode.
  world.ledger.decisions = async ({ limit }) => {
    await new Promise(setImmediate)
    return Array.from({ length: limit }, () => decodeJson<DecisionRecord>(text))
  }
  let longest = 0
  let watching = true
  const watch = async () => {
    while (watching) {
      const before = cpuMs()
      await new Promise(setImmediate)
      longest = Math.max(longest, cpuMs() - before)
    }
  }
  const watched = watch()
  const client = async () => {
    for (let count = 0; count < 20; count++)
      expect((await get('/api/opportunities?limit=100')).opportunities).toHaveLength(100)
  }
  await Promise.all(Array.from({ length: 6 }, client))
  watching = false
  await watched
  expect(longest).toBeGreaterThan(0)
  expect(longest).toBeLessThan(MAX_TURN_MS)
})

test('two reads run at a time, some wait, and the rest is told at once to come back', async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  let [running, most] = [0, 0]
  const { decisions } = world.ledger
  world.ledger.decisions = async (...args) => {
    most = Math.max(most, ++running)
    await promise
    running--
    return decisions.apply(world.ledger, args)
  }
  const asked = Array.from({ length: 40 }, () => ask('/api/opportunities?limit=1'))
  const refused = await Promise.race([...asked.slice(18), promise.then(() => undefined)])
  expect([refused?.status, refused?.headers.get('retry-after')]).toEqual([503, '1'])
  expect(await refused?.json()).toMatchObject({
    error: {
      code: 'busy',
      retry: 'later',
      message: expect.stringContaining('16 reads of anonymous at nowhere wait already'),
      hint: expect.stringContaining('2 run at a time'),
    },
  })
  resolve()
  const statuses = (await Promise.all(asked)).map(({ status }) => status)
  expect(statuses.filter((status) => status === 200)).toHaveLength(18)
  expect(statuses.filter((status) => status === 503)).toHaveLength(22)
  expect(most).toBe(2)
  expect((await ask('/api/opportunities?limit=1')).status).toBe(200)
})
