/** The contract of the ledger, against each backend: in memory, embedded PostgreSQL, and a PostgreSQL server where one runs. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LedgerConnection } from '../src/adapters/ledger/connection.ts'
import { MIGRATIONS } from '../src/adapters/ledger/migrations.ts'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { type PostgresLedger, postgresLedger } from '../src/adapters/ledger/postgres.ts'
import type { DecisionRecord, Ledger, NewAttempt, Task, Trade } from '../src/ports/ledger.ts'
import { type EmbeddedDatabase, startDatabase } from './support/database.ts'
import { FaultyProxy } from './support/faulty-proxy.ts'
import { InMemoryLedger } from './support/in-memory-ledger.ts'
import { listens } from './support/listens.ts'

const DATABASE_URL = process.env.DATABASE_URL ?? 'postgres://postgres@127.0.0.1:5432/test'
const databaseRuns = await listens(DATABASE_URL)
if (!databaseRuns)
  console.log(
    `skipped: the ledger on a PostgreSQL server, since nothing listens at ${new URL(DATABASE_URL).host}`,
  )

const genesis = `0x${'1'.repeat(64)}` as const
const hash = (digit: string) => `0x${digit.repeat(64)}` as `0x${string}`
const decision = (id: string, verdict: 'trade' | 'refuse'): DecisionRecord => ({
  id,
  genesis,
  decidedAt: 1_700_000_000_000,
  outcome:
    verdict === 'trade'
      ? { stage: 'sent', reason: '' }
      : { stage: 'rules', reason: 'net profit (got 1, needed 2)' },
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
  test('decisions are read back unchanged, and counted by reason', async () => {
    await ledger().recordDecisions([decision('opp_a', 'trade'), decision('opp_b', 'refuse')])
    expect(await ledger().decision('opp_a')).toEqual(decision('opp_a', 'trade'))
    expect(await ledger().decision('opp_none')).toBeUndefined()
    expect([...(await ledger().decisionsById(['opp_b', 'opp_none'])).keys()]).toEqual(['opp_b'])
    expect((await ledger().decisions({ limit: 10, verdict: 'refuse' })).map((record) => record.id)).toEqual([
      'opp_b',
    ])
    expect(await ledger().countDecisions({})).toBe(2)
    expect(await ledger().countDecisions({ verdict: 'refuse', genesis })).toBe(1)
    expect(await ledger().countDecisions({ genesis: hash('9') })).toBe(0)
    expect(await ledger().decisionCounts(0)).toContainEqual({
      verdict: 'refuse',
      rule: 'net profit',
      count: 1,
    })
  })

  test('a decision recorded before outcomes existed is read with one', async () => {
    const { outcome: _, ...old } = decision('opp_old', 'refuse')
    await ledger().recordDecisions([old as DecisionRecord])
    expect((await ledger().decision('opp_old'))?.outcome).toEqual({
      stage: 'rules',
      reason: 'net profit (got 1, needed 2)',
    })
    // A refusal after the rules is counted by its stage.
    const simulated = decision('opp_simulated', 'trade')
    await ledger().recordDecisions([
      {
        ...simulated,
        decision: { ...simulated.decision, verdict: 'refuse' },
        outcome: { stage: 'simulation', reason: 'unprofitable (profit 3, needed 5)' },
      },
    ])
    expect(await ledger().decisionCounts(0)).toContainEqual({
      verdict: 'refuse',
      rule: 'simulation',
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
    expect(await ledger().countTrades({})).toBe(2)
    expect(await ledger().countTrades({ genesis, token: '0xt' })).toBe(2)
    expect(await ledger().countTrades({ genesis, token: '0xother' })).toBe(0)
  })

  test('a transaction and a trade are found by their decision, whatever their status', async () => {
    const found = await ledger().transaction('opp_a')
    // Nonce 1 of this decision is booked, nonce 2 is open: the newest transaction counts.
    expect([found?.nonce, found?.status, found?.attempts.map((one) => one.hash)]).toEqual([
      2,
      'open',
      [hash('4')],
    ])
    expect(await ledger().trade('opp_a')).toEqual(
      trade('5', { nonce: 3, outcome: 'reverted', realisedProfit: 0n, block: 8 }),
    )
    expect([await ledger().transaction('opp_b'), await ledger().trade('opp_b')]).toEqual([
      undefined,
      undefined,
    ])
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

  test('each attempt has its own decision; a nonce that somebody else used is replaced, and stays in use', async () => {
    const at = (nonce: number) => ledger().transactionAt(genesis, '0xacc', nonce)
    expect(await at(7)).toBeUndefined()
    await ledger().recordAttempt({ ...attempt(7, 'a'), decisionId: 'opp_a' })
    await ledger().recordAttempt({ ...attempt(7, 'b'), decisionId: 'opp_c' })
    await ledger().recordAttempt({ ...attempt(7, 'c'), decisionId: null })
    expect(await at(7)).toMatchObject({
      nonce: 7,
      status: 'open',
      decisionId: 'opp_a',
      attempts: [
        { hash: hash('a'), decisionId: 'opp_a' },
        { hash: hash('b'), decisionId: 'opp_c' },
        { hash: hash('c'), decisionId: null },
      ],
    })
    await ledger().markReplaced(genesis, '0xacc', 7)
    await ledger().markReplaced(genesis, '0xacc', 1)
    expect([(await at(7))?.status, (await at(1))?.status]).toEqual(['replaced', 'final'])
    expect(await ledger().highestNonce(genesis, '0xacc')).toBe(7)
    expect((await ledger().openTransactions()).map(({ nonce }) => nonce)).toEqual([2])
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
    expect(await ledger().countPaperTrades()).toBe(2)
    expect((await ledger().totals(genesis)).tradesBooked).toBe(2)
  })

  test('transactions of a chain that is gone are marked as lost', async () => {
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
    expect([await ledger().countTasks({}), await ledger().countTasks({ status: 'queued' })]).toEqual([1, 0])
    expect(await ledger().setting('k')).toBeUndefined()
    await ledger().saveSetting('k', { a: 1n })
    await ledger().saveSetting('k', { a: 2n })
    expect(await ledger().setting('k')).toEqual({ a: 2n })
    const incident = {
      unit: 'cell',
      services: ['s', 't'],
      kind: 'exited' as const,
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
    expect(await ledger().countIncidents({ since: 0 })).toBe(2)
    expect(await ledger().countIncidents({ since: 0, service: 's' })).toBe(1)
    expect(await ledger().countIncidents({ since: incident.at + 1 })).toBe(1)
  })

  test('the profit over time is cumulative, in buckets, and ends at the totals', async () => {
    const curveGenesis = hash('c')
    const [since, until, buckets] = [1_800_000_000_000, 1_800_000_070_000, 7]
    // The first is before the span, some at the edges of buckets, one after the span; gas is paid by all.
    const offsets = [-5_000, 0, 1, 9_999, 10_000, 10_001, 33_333, 70_000, 70_001]
    const booked = offsets.map((offset, index) => ({
      ...trade('0', {
        genesis: curveGenesis,
        decisionId: null,
        nonce: 100 + index,
        block: 50 + index,
        outcome: index === 3 ? 'reverted' : 'as-predicted',
        profitValue: index === 3 ? 0 : 2 ** index,
        profitNative: index === 3 ? 0 : 2 ** index / 4,
        gasCost: BigInt(index + 1) * 10n ** 18n,
        bookedAt: since + offset,
      }),
      hash: `0x${(0xc000 + index).toString(16).padStart(64, '0')}` as const,
    }))
    for (const one of booked) await ledger().book(one)
    const expected = Array.from({ length: buckets + 1 }, (_, index) => {
      const at = since + index * 10_000
      const before = booked.filter((one) => one.bookedAt <= at)
      const profitNative = before.reduce((sum, one) => sum + one.profitNative, 0)
      const gasNative = before.reduce((sum, one) => sum + Number(one.gasCost / 10n ** 18n), 0)
      return {
        at,
        trades: before.length,
        profitValue: before.reduce((sum, one) => sum + one.profitValue, 0),
        profitNative,
        gasNative,
        netNative: profitNative - gasNative,
      }
    })
    expect(await ledger().profitSeries({ since, until, buckets, genesis: curveGenesis })).toEqual(expected)
    // By hand: two trades at the start, five after ten seconds, eight at the end.
    expect(expected.map(({ trades }) => trades)).toEqual([2, 5, 6, 6, 7, 7, 7, 8])
    const totals = await ledger().totals(curveGenesis)
    const [last] = (
      await ledger().profitSeries({ since, until: until + 10, buckets: 1, genesis: curveGenesis })
    ).slice(-1)
    expect([last?.trades, last?.profitValue, last?.gasNative]).toEqual([
      totals.tradesBooked,
      totals.profitValue,
      Number(totals.gasBooked / 10n ** 18n),
    ])
    // 3 buckets of 23,333.3 ms: whole ms, and a trade at 33,333 stays before the point at 46,666.
    const thirds = await ledger().profitSeries({ since, until, buckets: 3, genesis: curveGenesis })
    expect(thirds.map(({ at, trades }) => [at - since, trades])).toEqual([
      [0, 2],
      [23_333, 6],
      [46_666, 7],
      [70_000, 8],
    ])
    expect(await ledger().profitSeries({ since, until, buckets: 1, genesis: hash('d') })).toEqual(
      [since, until].map((at) => ({
        at,
        trades: 0,
        profitValue: 0,
        profitNative: 0,
        gasNative: 0,
        netNative: 0,
      })),
    )
  })

  test('the first booking is the earliest of all chains, not the one of the lowest block', async () => {
    await ledger().book({
      ...trade('e', {
        genesis: hash('e'),
        decisionId: null,
        nonce: 900,
        block: 9_000_000,
        bookedAt: 86_400_000,
      }),
      hash: `0x${'ce'.repeat(32)}`,
    })
    expect(await ledger().firstBookedAt()).toBe(86_400_000)
  })
}

describe('the ledger in memory, as specs of servers use it', () => {
  const ledger = new InMemoryLedger()
  test('nothing is booked at first', async () => expect(await ledger.firstBookedAt()).toBeUndefined())
  ledgerContract(() => ledger)
})

describe('the ledger on embedded PostgreSQL', () => {
  let database: EmbeddedDatabase
  let ledger: PostgresLedger
  beforeAll(async () => {
    database = await startDatabase()
    ledger = postgresLedger({ pool: connectionPool(database.connectionString, 2), batchSize: 2 })
    expect((await Promise.all([ledger.migrate(), ledger.migrate()])).sort()).toEqual([0, MIGRATIONS.length])
    expect(await ledger.firstBookedAt()).toBeUndefined()
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
    ledger = postgresLedger({
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

test.runIf(databaseRuns)(
  'a connection that is lost between two statements fails its transaction, not the process',
  { timeout: 10_000 },
  async () => {
    const { proxy, url } = await FaultyProxy.before(DATABASE_URL)
    const pool = connectionPool(url, 1)
    const connection = new LedgerConnection(pool, 1)
    const uncaught: unknown[] = []
    const note = (error: unknown) => void uncaught.push(error)
    process.on('uncaughtException', note)
    const lost = connection.transaction(async (client) => {
      const ended = new Promise((resolve) => client.once('end', resolve))
      await proxy.set('refuse')
      await ended
      await client.query('select 1')
    })
    await expect(lost).rejects.toMatchObject({ code: 'ledger-unreachable' })
    await proxy.set('pass')
    expect(await connection.query('select 1 as one')).toEqual([{ one: 1 }])
    process.off('uncaughtException', note)
    expect(uncaught).toEqual([])
    await connection.close()
    await proxy.close()
  },
)
