/** GET /profit-series: the curve covers all trades, for any number of them, and ends at the booked total. */
import { Hono } from 'hono'
import { expect, test } from 'vitest'
import type { Trade } from '../../ports/ledger.ts'
import { apiRoutes } from './routes.ts'
import type { ProfitSeriesView } from './schema.ts'

const NOW = 1_800_000_000_000
const HOUR_MS = 3_600_000
/** 700 trades over the last 30 hours, newest first, worth 1, 2, ... 700. */
const booked = Array.from({ length: 700 }, (_, index) => ({
  bookedAt: NOW - (index * (30 * HOUR_MS)) / 699,
  profitValue: 700 - index,
})) as Trade[]
const valueAt = (trades: readonly Trade[], at: number) =>
  trades.filter(({ bookedAt }) => bookedAt <= at).reduce((sum, { profitValue }) => sum + profitValue, 0)

/** Cumulative by definition, instead of the database's query. */
const ledgerOf = (trades: readonly Trade[]) => ({
  firstBookedAt: async () => trades.at(-1)?.bookedAt,
  profitSeries: async ({ since, until, buckets }: { since: number; until: number; buckets: number }) =>
    Array.from({ length: buckets + 1 }, (_, index) => {
      const at = since + ((until - since) * index) / buckets
      return { at, trades: 0, profitValue: valueAt(trades, at), profitNative: 0, gasNative: 0, netNative: 0 }
    }),
})

async function series(query: string, trades = booked) {
  const app = new Hono()
  app.onError((error, c) => c.json({ error: error.message }, 400))
  app.use(async (c, next) => {
    c.set('caller', { name: 'ada', scopes: ['read'] })
    await next()
  })
  const sources = { ledger: ledgerOf(trades), manifest: () => undefined }
  apiRoutes(app, { access: {}, sources, approvals: {}, mode: 'local', now: () => NOW } as never)
  const response = await app.request(`/profit-series${query}`)
  return { status: response.status, body: (await response.json()) as ProfitSeriesView & { error: string } }
}

test.each(['', '?range=1h', '?range=24h', '?range=all'])(
  'the curve%s ends at the total of all trades and never falls',
  async (query) => {
    const { points, until } = (await series(query)).body
    expect(until).toBe(NOW)
    expect(points.at(-1)).toMatchObject({ at: NOW, profitValue: (700 * 701) / 2 })
    const values = points.map(({ profitValue }) => profitValue)
    expect(values).toEqual([...values].sort((a, b) => a - b))
  },
)

test('`all` starts at 0 just before the first trade; a shorter range starts at the total booked before it', async () => {
  const all = (await series('?range=all')).body
  expect(all.from).toBe(NOW - 30 * HOUR_MS - 1)
  expect(all.points[0]?.profitValue).toBe(0)
  const day = (await series('?range=24h')).body
  expect(day.from).toBe(NOW - 24 * HOUR_MS)
  expect(day.points[0]?.profitValue).toBe(valueAt(booked, NOW - 24 * HOUR_MS))
  expect(day.points[0]?.profitValue).toBeGreaterThan(0)
})

test('without trades the curve is an hour of zeros; an unknown range is refused', async () => {
  const { body } = await series('', [])
  expect([body.from, body.points.at(-1)?.profitValue]).toEqual([NOW - HOUR_MS, 0])
  const refused = await series('?range=7d')
  expect([refused.status, refused.body.error]).toEqual([400, 'range: expected 1h, 24h, all (got "7d")'])
})
