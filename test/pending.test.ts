/** Trades behind pending transactions: found before the block, placed directly behind, exact to the unit. */
import { keccak256, parseTransaction } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { tipAhead } from '../src/engine/books/booking.ts'
import { PendingSearch } from '../src/engine/trading/pending.ts'
import { standingPolicies } from '../src/engine/trading/policies.ts'
import { rpc } from '../src/localnet/rpc.ts'
import type { Hex, Receipt } from '../src/ports/chain.ts'
import type { Detection } from '../src/ports/messages.ts'
import { TRADER_ACCOUNT, TradingFloor, testSigner } from './support/trading.ts'

let floor: TradingFloor
beforeAll(async () => {
  floor = await TradingFloor.open()
}, 60_000)
afterAll(() => floor?.close())

const poolOf = (dex: string, skip = 0) =>
  floor.market.manifest.pools.filter((pool) => pool.dex === dex)[skip]?.address as `0x${string}`

/** Waits for the opportunities that a pending transaction opens. */
function listen() {
  const found: Detection[] = []
  const notes: string[] = []
  const { detector, market, local } = floor
  const search = new PendingSearch({
    chain: local.chain,
    market,
    detector,
    now: Date.now,
    onFound: (detection) => found.push(detection),
    onNote: (note) => notes.push(note),
  })
  const stopPending = search.start()
  const stopChanges = market.subscribe((change) => {
    search.onBlock(change)
    detector.detect(change)
  })
  const stop = () => {
    stopPending()
    stopChanges()
  }
  return { found, notes, search, stop }
}

const until = async (what: string, check: () => boolean) => {
  const deadline = Date.now() + 5_000
  while (!check()) {
    if (Date.now() > deadline) throw new Error(`${what}: not within 5 s`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

test('a pending swap is searched and followed in the same block, each to the unit of its plan', {
  timeout: 60_000,
}, async () => {
  const { found, search, stop } = listen()
  const { executor, store, sent, violations } = await floor.executor()
  // Contracts that call pools are learned from blocks: the first swap is not followed.
  await floor.sell(poolOf('sushiswap'), 0.0001)
  await floor.mined()
  for (const [dex, index] of [
    ['quickswap', 0],
    ['uniswap_v3', 0],
    ['quickswap_v3', 0],
  ] as const) {
    const before = found.length
    const target = await floor.sell(poolOf(dex, index), 0.03)
    await until('a gap that the pending swap opens', () => found.length > before)
    const detection = found.at(-1) as Detection
    expect(detection.follows).toBe(target)
    expect(detection.block).toBe(floor.market.head.number)
    await executor.onDetection(detection)
    const ours = sent.filter(({ decisionId }) => detection.opportunities.some(({ id }) => id === decisionId))
    expect(ours.length).toBeGreaterThan(0)
    await floor.mined()
    const theirs = await floor.local.chain.receipt(target)
    for (const { hash } of ours) {
      const receipt = await floor.local.chain.receipt(hash)
      expect(receipt?.succeeded).toBe(true)
      // The same block, after it.
      expect(receipt?.blockNumber).toBe(theirs?.blockNumber)
      expect(receipt?.transactionIndex).toBeGreaterThan(theirs?.transactionIndex as number)
    }
    // The block's own search finds no remainder of the gap.
    await executor.onHead(floor.market.head)
  }
  for (let i = 0; i < 4; i++) {
    await floor.mined()
    await executor.onHead(floor.market.head)
  }
  expect(store.booked.length).toBe(sent.length)
  const first = store.booked[0]
  expect([first?.outcome, first?.realisedProfit]).toEqual(['as-predicted', first?.predictedProfit])
  expect(store.booked.every(({ realisedProfit }) => realisedProfit > 0n)).toBe(true)
  expect(violations).toEqual([])
  expect(search.statistics.opened).toBeGreaterThanOrEqual(3)
  stop()
})

test('a transaction that has another target, cannot be mined or changes no pool is not followed', {
  timeout: 30_000,
}, async () => {
  const { found, search, stop } = listen()
  await floor.sell(poolOf('sushiswap'), 0.0001)
  await floor.mined()
  const { heardOf } = search.statistics
  const to = floor.market.manifest.tokens[0]?.address
  await rpc(floor.local.url, 'anvil_impersonateAccount', TRADER_ACCOUNT)
  await rpc(floor.local.url, 'eth_sendTransaction', {
    from: TRADER_ACCOUNT,
    to,
    data: '0xd0e30db0',
    value: '0x1',
    gas: '0x186a0',
  })
  await until('the transaction is announced', () => search.statistics.heardOf > heardOf)
  expect([found.length, search.statistics.run]).toEqual([0, 0])
  await floor.mined()
  stop()
})

test('the search is restored: after the block it finds the same as a new one', {
  timeout: 30_000,
}, async () => {
  const { found, stop } = listen()
  await floor.sell(poolOf('sushiswap'), 0.0001)
  await floor.mined()
  const before = floor.detector.search.top(50)
  const target = await floor.sell(poolOf('quickswap', 1), 0.03)
  await until('a gap', () => found.length > 0)
  expect(floor.detector.search.top(50)).toEqual(before)
  await rpc(floor.local.url, 'anvil_dropTransaction', target)
  await floor.mined()
  stop()
})

test('a gap that is being signed is not sent a second time', { timeout: 30_000 }, async () => {
  let release: () => void = () => undefined
  const held = new Promise<void>((resolve) => {
    release = resolve
  })
  const { executor, store } = await floor.executor({ signer: testSigner(() => held) })
  await floor.sell(poolOf('quickswap', 2), 0.03)
  await floor.mined()
  const detection = floor.detector.detect({
    head: floor.market.head,
    changed: new Set(floor.market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  })
  expect(detection.opportunities.length).toBeGreaterThan(0)
  const first = executor.onDetection(detection)
  await new Promise((resolve) => setTimeout(resolve, 100))
  // The same gap, found again while the signer still holds the first.
  await executor.onDetection({
    ...detection,
    opportunities: detection.opportunities.map((found) => ({ ...found, id: `${found.id}_again` })),
  })
  release()
  await first
  const raws = [...store.transactions.values()].flatMap(({ attempts }) => attempts.map(({ raw }) => raw))
  expect(raws.length).toBe(
    detection.opportunities.filter(({ id }) => store.decisions.get(id)?.decision.verdict === 'trade').length,
  )
  expect(new Set(raws.map((raw: Hex) => parseTransaction(raw).data)).size).toBe(raws.length)
  expect(new Set(raws.map((raw) => keccak256(raw))).size).toBe(raws.length)
  const again = detection.opportunities.map(({ id }) =>
    store.decisions
      .get(`${id}_again`)
      ?.decision.rules.filter((rule) => !rule.ok)
      .map(({ rule }) => rule),
  )
  for (const refused of again) expect(refused).toContain('no pool is already in flight')
  await floor.mined()
})

test('a transaction in flight is raised, so that the next one can directly follow a transaction with a higher tip', {
  timeout: 30_000,
}, async () => {
  const policies = standingPolicies(floor.market.manifest.chainId)
  const { executor, store, sent } = await floor.executor({
    policies: () => ({ ...policies, gas: { ...policies.gas, bidShareBps: 0 } }),
  })
  const { found, stop } = listen()
  await floor.sell(poolOf('sushiswap', 4), 0.02)
  await floor.mined()
  await executor.onHead(floor.market.head)
  const detection = floor.detector.detect({
    head: floor.market.head,
    changed: new Set(floor.market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  })
  await executor.onDetection({ ...detection, opportunities: detection.opportunities.slice(0, 1) })
  expect(sent.length).toBe(1)
  const target = await floor.sell(poolOf('quickswap', 3), 0.04, 20n * 10n ** 9n)
  await until('a gap', () => found.some(({ follows }) => follows === target))
  const following = found.find(({ follows }) => follows === target) as Detection
  await executor.onDetection({ ...following, opportunities: following.opportunities.slice(0, 1) })
  expect(sent.length).toBe(2)
  const attempts = [...store.transactions.values()].map((entry) => entry.attempts)
  expect(attempts.map((of) => of.length)).toEqual([2, 1])
  await floor.mined()
  const [theirs, raised, ours] = await Promise.all(
    [target, attempts[0]?.[1]?.hash as Hex, sent[1]?.hash as Hex].map((hash) =>
      floor.local.chain.receipt(hash),
    ),
  )
  expect([theirs, raised, ours].map((receipt) => receipt?.succeeded)).toEqual([true, true, true])
  const places = [theirs, raised, ours].map((receipt) => [receipt?.blockNumber, receipt?.transactionIndex])
  expect(places).toEqual(
    [0, 1, 2].map((offset) => [theirs?.blockNumber, (theirs?.transactionIndex as number) + offset]),
  )
  for (let i = 0; i < 4; i++) {
    await executor.onHead(floor.market.head)
    await floor.mined()
  }
  await executor.onHead(floor.market.head)
  expect(store.booked.length).toBe(2)
  stop()
})

test('after a loss to a rival, the tip that would have won is known', { timeout: 30_000 }, async () => {
  const { executor, store, sent } = await floor.executor()
  await floor.sell(poolOf('sushiswap', 2), 0.03)
  await floor.mined()
  await executor.onHead(floor.market.head)
  const detection = floor.detector.detect({
    head: floor.market.head,
    changed: new Set(floor.market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  })
  const [best] = detection.opportunities
  if (!best) throw new Error('no gap')
  await floor.take(best)
  // The rival tips three gwei; our trade is based on the state before it.
  const policies = standingPolicies(floor.market.manifest.chainId)
  const low = await floor.executor({
    policies: () => ({ ...policies, gas: { ...policies.gas, bidShareBps: 0 } }),
    chain: unseeing(floor.local.chain),
  })
  await low.executor.onDetection({ ...detection, opportunities: [best] })
  await floor.mined()
  const ours = await floor.local.chain.receipt(low.sent[0]?.hash as Hex)
  expect(ours?.succeeded).toBe(false)
  const decision = low.store.decisions.get(best.id)
  const tip = await tipAhead(
    { transaction: {} as never, receipt: ours as Receipt, decision },
    floor.market,
    floor.local.chain,
  )
  expect(tip).toBe(3n * 10n ** 9n)
  expect([sent.length, store.booked.length]).toEqual([0, 0])
})

/** A node whose simulations ignore pending transactions, as for a trader that acts later. */
function unseeing(chain: typeof floor.local.chain): typeof floor.local.chain {
  return new Proxy(chain, {
    get: (target, name) => {
      const value = Reflect.get(target, name, target)
      if (name === 'simulate')
        return (calls: Parameters<typeof chain.simulate>[0]) => target.simulate(calls, 'latest')
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}
