/** One contract per port, against every backend: the embedded ones and the real ones. */

import { mkdtempSync, rmSync, unlinkSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Hub, startHub } from '../src/adapters/bus/hub.ts'
import { HubBus } from '../src/adapters/bus/hub-client.ts'
import { RedisBus } from '../src/adapters/bus/redis.ts'
import { MIGRATIONS } from '../src/adapters/ledger/migrations.ts'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { PostgresLedger } from '../src/adapters/ledger/postgres.ts'
import type { Bus } from '../src/ports/bus.ts'
import type { DecisionRecord, Ledger, NewAttempt, Task, Trade } from '../src/ports/ledger.ts'
import { type EmbeddedDatabase, startDatabase } from './support/database.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-ports-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const REDIS_URL = process.env.REDIS_URL ?? 'redis://127.0.0.1:6379'
const DATABASE_URL = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/test'

const listens = (url: string) =>
  new Promise<boolean>((resolve) => {
    const { hostname, port } = new URL(url)
    const socket = connect(Number(port), hostname)
      .on('connect', () => resolve(true))
      .on('error', () => resolve(false))
    socket.on('connect', () => socket.destroy())
  })
const [redisRuns, databaseRuns] = await Promise.all([listens(REDIS_URL), listens(DATABASE_URL)])
if (!redisRuns) console.log(`skipped: the bus on Redis, since nothing listens at ${REDIS_URL}`)
if (!databaseRuns)
  console.log(
    `skipped: the ledger on a PostgreSQL server, since nothing listens at ${new URL(DATABASE_URL).host}`,
  )

/** Channels and keys of these tests only. */
interface TestChannels {
  order: { n: bigint }
  kept: string
  again: string
}
interface TestEntries {
  price: { value: bigint }
  nothing: string
  x: string
}

function busContract(open: () => Bus<TestChannels, TestEntries>) {
  const until = async (check: () => boolean) => expect.poll(check, { timeout: 5_000, interval: 5 }).toBe(true)

  test('messages arrive in order, numbered, at every subscriber', async () => {
    const [sender, first, second] = [open(), open(), open()]
    await until(() => sender.connected && first.connected && second.connected)
    const seen: [string, number, bigint][] = []
    first.subscribe('order', ({ n }, info) => seen.push(['first', info.sequence, n]))
    second.subscribe('order', ({ n }, info) => seen.push(['second', info.sequence, n]))
    await new Promise((resolve) => setTimeout(resolve, 100))
    for (let n = 1n; n <= 200n; n++) sender.publish('order', { n })
    await until(() => seen.length === 400)
    for (const who of ['first', 'second']) {
      const own = seen.filter(([name]) => name === who)
      expect(own.map(([, , n]) => n)).toEqual(Array.from({ length: 200 }, (_, index) => BigInt(index + 1)))
      for (let i = 1; i < own.length; i++) expect(own[i]?.[1]).toBe((own[i - 1]?.[1] ?? 0) + 1)
    }
    for (const bus of [sender, first, second]) bus.close()
  })

  test('a late subscriber gets the last message, marked as kept', async () => {
    const [sender, late] = [open(), open()]
    await until(() => sender.connected && late.connected)
    sender.publish('kept', 'old')
    sender.publish('kept', 'new')
    await new Promise((resolve) => setTimeout(resolve, 100))
    const seen: [string, boolean][] = []
    const stop = late.subscribe('kept', (text, { retained }) => seen.push([text, retained]))
    await until(() => seen.length === 1)
    expect(seen).toEqual([['new', true]])
    stop()
    sender.publish('kept', 'newer')
    await new Promise((resolve) => setTimeout(resolve, 50))
    expect(seen).toHaveLength(1)
    sender.close()
    late.close()
  })

  test('the cache forgets when it was told to', async () => {
    const bus = open()
    await until(() => bus.connected)
    await bus.set('price', { value: 12n }, 150)
    expect(await bus.get('price')).toEqual({ value: 12n })
    expect(await bus.get('nothing')).toBeUndefined()
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(await bus.get('price')).toBeUndefined()
    bus.close()
  })
}

describe('the bus on the embedded hub', () => {
  const path = join(folder, 'hub.sock')
  let hub: Hub
  beforeAll(async () => {
    hub = await startHub(path, Date.now)
  })
  afterAll(() => hub.close())
  busContract(() => new HubBus<TestChannels, TestEntries>(path))

  test('it comes back by itself, subscriptions and all', async () => {
    const bus = new HubBus<TestChannels, TestEntries>(path)
    const seen: string[] = []
    bus.subscribe('again', (text) => seen.push(text))
    await expect.poll(() => bus.connected).toBe(true)
    await hub.close()
    await expect.poll(() => bus.connected).toBe(false)
    await expect(bus.get('x')).rejects.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
    hub = await startHub(path, Date.now)
    const other = new HubBus<TestChannels, TestEntries>(path)
    await expect.poll(() => bus.connected && other.connected, { timeout: 5_000 }).toBe(true)
    await new Promise((resolve) => setTimeout(resolve, 50))
    other.publish('again', 'hello')
    await expect.poll(() => seen, { timeout: 5_000 }).toEqual(['hello'])
    bus.close()
    other.close()
  })
})

describe.runIf(redisRuns)('the bus on Redis', () => {
  const prefix = `kintsugi-test-${process.pid}-${Date.now()}:`
  busContract(() => new RedisBus<TestChannels, TestEntries>(REDIS_URL, prefix))
})

const genesis = `0x${'1'.repeat(64)}` as const
const hash = (digit: string) => `0x${digit.repeat(64)}` as `0x${string}`
const decision = (id: string, verdict: 'trade' | 'refuse'): DecisionRecord => ({
  id,
  genesis,
  decidedAt: 1_700_000_000_000,
  opportunity: {
    id,
    block: 5,
    blockHash: hash('b'),
    token: '0xt',
    cycles: [{ legs: [], amounts: [10n ** 30n, 1n] }],
    borrowed: 10n ** 30n,
    loan: { kind: 'aave-v3', lender: '0xl', token: '0xt', available: 5n, rate: 5n, isToken0: false },
    premium: 1n,
    profit: 2n,
  },
  decision: {
    verdict,
    rules: [{ rule: 'net profit', ok: verdict === 'trade', got: '1', needed: '2' }],
    bid: undefined,
    numbers: {
      grossNative: 1n,
      gasEstimate: 5,
      gasCost: 3n,
      dataFee: 0n,
      netNative: -2n,
      bidShare: 0.1,
      chance: 0.5,
      expectedNative: -3n,
    },
    policies: { gas: 1 },
  },
})
const attempt = (nonce: number, digit: string): NewAttempt => ({
  genesis,
  account: '0xacc',
  nonce,
  decisionId: 'opp_a',
  hash: hash(digit),
  raw: '0xraw',
  sentAt: 1_700_000_000_000,
  sentAtBlock: 6,
  intent: {
    type: 'cancel',
    chainId: 1,
    account: '0xacc',
    nonce,
    gasLimit: 1n,
    maxFeePerGas: 10n ** 20n,
    maxPriorityFeePerGas: 1n,
    lease: 1,
  },
})
const trade = (digit: string, change: Partial<Trade> = {}): Trade => ({
  genesis,
  hash: hash(digit),
  nonce: 1,
  decisionId: 'opp_a',
  block: 7,
  transactionIndex: 0,
  outcome: 'as-predicted',
  token: '0xt',
  symbol: 'T',
  decimals: 18,
  route: 'T',
  legs: [{ pool: '0xp', dex: 'd', tokenIn: '0xt', tokenOut: '0xu' }],
  lender: 'aave-v3',
  amountIn: 1n,
  predictedProfit: (1n << 255n) + 7n,
  realisedProfit: (1n << 255n) + 7n,
  profitValue: 1.5,
  profitNative: 0.5,
  gasUsed: 2n,
  gasPrice: 3n,
  gasCost: 6n,
  predictedAtBlock: 6,
  bookedAt: 1_700_000_000_000,
  ...change,
})

function ledgerContract(ledger: () => Ledger) {
  test('decisions come back as they were, and are counted by reason', async () => {
    await ledger().recordDecisions([decision('opp_a', 'trade'), decision('opp_b', 'refuse')])
    expect(await ledger().decision('opp_a')).toEqual(decision('opp_a', 'trade'))
    expect(await ledger().decision('opp_none')).toBeUndefined()
    expect([...(await ledger().decisionsById(['opp_b', 'opp_none'])).keys()]).toEqual(['opp_b'])
    expect((await ledger().decisions({ limit: 10, verdict: 'refuse' })).map((record) => record.id)).toEqual([
      'opp_b',
    ])
    expect(await ledger().decisionCounts(0)).toContainEqual({
      verdict: 'refuse',
      rule: 'net profit',
      count: 1,
    })
  })

  test('attempts are kept per nonce until their transaction is final', async () => {
    await ledger().recordAttempt(attempt(1, '2'))
    await ledger().recordAttempt(attempt(1, '3'))
    await ledger().recordAttempt(attempt(2, '4'))
    const open = await ledger().openTransactions()
    expect(open.map((record) => [record.nonce, record.attempts.length])).toEqual([
      [1, 2],
      [2, 1],
    ])
    expect(open[0]?.attempts[0]).toMatchObject({ raw: '0xraw', intent: attempt(1, '2').intent })
    expect(await ledger().highestNonce(genesis, '0xacc')).toBe(2)
    expect(await ledger().highestNonce(genesis, '0xother')).toBeUndefined()
  })

  test('a trade is booked once, to the last of 256 bits', async () => {
    expect(await ledger().book(trade('2'))).toBe(true)
    expect(await ledger().book(trade('2'))).toBe(false)
    expect(
      await ledger().book(trade('5', { nonce: 3, outcome: 'reverted', realisedProfit: 0n, block: 8 })),
    ).toBe(true)
    expect(await ledger().trades({ limit: 5 })).toEqual([
      trade('5', { nonce: 3, outcome: 'reverted', realisedProfit: 0n, block: 8 }),
      trade('2'),
    ])
    const totals = await ledger().totals(genesis)
    expect(totals).toMatchObject({
      tradesBooked: 2,
      profitable: 1,
      gasBooked: 12n,
      outcomes: { 'as-predicted': 1, reverted: 1 },
    })
    expect(totals.profitBooked['0xt']).toBe((1n << 255n) + 7n)
    expect((await ledger().totals(hash('9'))).tradesBooked).toBe(0)
    expect((await ledger().openTransactions()).map((record) => record.nonce)).toEqual([2])
    expect(await ledger().highestBlock()).toBe(8)
  })

  test('a nonce that expired is used again, by another attempt of another decision', async () => {
    expect((await ledger().openTransactions()).map((record) => [record.nonce, record.decisionId])).toEqual([
      [2, 'opp_a'],
    ])
    await ledger().markExpired(genesis, '0xacc', [2])
    expect([await ledger().openTransactions(), await ledger().highestNonce(genesis, '0xacc')]).toEqual([
      [],
      1,
    ])
    await ledger().recordAttempt({ ...attempt(2, '9'), decisionId: 'opp_c' }, decision('opp_c', 'trade'))
    const [again] = await ledger().openTransactions()
    expect([
      again?.nonce,
      again?.decisionId,
      again?.attempts.map((one) => one.hash).includes(hash('9')),
    ]).toEqual([2, 'opp_c', true])
  })

  test('trades on paper are kept apart, each once', async () => {
    const paper = {
      decisionId: 'opp_a',
      genesis,
      block: 9,
      route: 'A → B → A',
      symbol: 'A',
      decimals: 18,
      predictedProfit: 1n << 200n,
      judgedAt: 7,
    }
    const judged = [
      { ...paper, outcome: 'traded', netNative: 2e18, reason: '' },
      {
        ...paper,
        decisionId: 'opp_b',
        outcome: 'taken by another',
        netNative: -5e17,
        reason: 'won by 0x1',
        judgedAt: 8,
      },
    ] as const
    await ledger().recordPaperTrades(judged)
    await ledger().recordPaperTrades(judged)
    expect(await ledger().paperTrades({ limit: 5 })).toEqual([judged[1], judged[0]])
    expect(await ledger().paperTotals(genesis)).toEqual({
      trades: 2,
      netNative: 1.5e18,
      outcomes: { traded: 1, 'taken by another': 1 },
    })
    expect((await ledger().paperTotals(hash('9'))).trades).toBe(0)
    expect((await ledger().totals(genesis)).tradesBooked).toBe(2)
  })

  test('transactions of a chain that is gone are marked so', async () => {
    expect(await ledger().markLost(hash('f'))).toBe(1)
    expect(await ledger().openTransactions()).toEqual([])
  })

  test('prices, tasks and incidents', async () => {
    const points = [1, 2, 3].map((block) => ({
      symbol: 'ETH',
      price: block * 1.5,
      block,
      at: 1_700_000_000_000 + block,
    }))
    await ledger().recordPrices(points)
    expect(await ledger().priceHistory({ symbol: 'ETH', since: 1_700_000_000_002, limit: 10 })).toEqual(
      points.slice(1),
    )
    const task: Task = {
      id: 't1',
      description: 'd',
      priority: 1,
      caller: { name: 'test', scopes: [] },
      status: 'queued',
      steps: [],
      createdAt: 5,
      finishedAt: null,
      deadline: 9,
    }
    await ledger().saveTask(task)
    await ledger().saveTask({ ...task, status: 'done', finishedAt: 8 })
    expect(await ledger().task('t1')).toEqual({ ...task, status: 'done', finishedAt: 8 })
    expect(await ledger().tasks({ limit: 5, status: 'queued' })).toEqual([])
    expect(await ledger().setting('k')).toBeUndefined()
    await ledger().saveSetting('k', { a: 1n })
    await ledger().saveSetting('k', { a: 2n })
    expect(await ledger().setting('k')).toEqual({ a: 2n })
    const incident = {
      unit: 'cell',
      services: ['s', 't'],
      kind: 'exited',
      detail: 'd',
      action: 'a',
      at: 1_700_000_000_000,
      durationMs: null,
    }
    await ledger().recordIncident(incident)
    await ledger().recordIncident({
      ...incident,
      services: ['t'],
      kind: 'recovered',
      at: incident.at + 5,
      durationMs: 2.5,
    })
    expect(await ledger().incidents({ since: 0, limit: 10, service: 's' })).toEqual([incident])
    expect(
      (await ledger().incidents({ since: incident.at + 1, limit: 10 })).map(({ durationMs }) => durationMs),
    ).toEqual([2.5])
  })
}

describe('the ledger on embedded PostgreSQL', () => {
  let database: EmbeddedDatabase
  let ledger: PostgresLedger
  beforeAll(async () => {
    database = await startDatabase()
    ledger = new PostgresLedger({ pool: connectionPool(database.connectionString, 2), batchSize: 2 })
    expect((await Promise.all([ledger.migrate(), ledger.migrate()])).sort()).toEqual([0, MIGRATIONS.length])
  })
  afterAll(async () => {
    await ledger.close()
    await database.stop()
  })
  ledgerContract(() => ledger)
})

describe.runIf(databaseRuns)('the ledger on a PostgreSQL server', () => {
  const schema = `kintsugi_test_${process.pid}_${Date.now()}`
  let ledger: PostgresLedger
  let admin: import('pg').Client
  beforeAll(async () => {
    const { default: pg } = await import('pg')
    admin = new pg.Client(DATABASE_URL)
    await admin.connect()
    await admin.query(`create schema ${schema}`)
    ledger = new PostgresLedger({
      pool: connectionPool(`${DATABASE_URL}?options=-c%20search_path%3D${schema}`, 2),
      batchSize: 100,
    })
    await ledger.migrate()
  })
  afterAll(async () => {
    await ledger.close()
    await admin.query(`drop schema ${schema} cascade`)
    await admin.end()
  })
  ledgerContract(() => ledger)
})

test('a socket that is not there is an error that says when to try again', async () => {
  const bus = new HubBus<TestChannels, TestEntries>(join(folder, 'nowhere.sock'))
  await expect(bus.get('x')).rejects.toMatchObject({ code: 'bus-unreachable', retry: 'later' })
  bus.close()
  expect(() => unlinkSync(join(folder, 'nowhere.sock'))).toThrow()
})
