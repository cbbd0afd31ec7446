/** Algebra pools whose plugin sets the fee by the volatility: the real plugin, swaps at random times, to the unit. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, type ConcentratedPool, quoteExactIn, virtualReserves } from '../src/amm/index.ts'
import { pluginFee } from '../src/engine/market/pool-events.ts'
import { Detector } from '../src/engine/trading/detector.ts'
import { rpc } from '../src/localnet/rpc.ts'
import type { Hex, Receipt } from '../src/ports/chain.ts'
import { seededRandom } from '../src/std/random.ts'
import { expectFresh } from './support/expect-fresh.ts'
import { TradingFloor } from './support/trading.ts'

const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const SWAPS = Number(process.env.DYNAMIC_FEE_SWAPS ?? 120)
let floor: TradingFloor
beforeAll(async () => {
  floor = await TradingFloor.open()
}, 60_000)
afterAll(() => floor?.close())

/** The pool whose plugin sets the fee. */
const dynamic = (): ConcentratedPool => {
  const found = [...floor.market.pools.values()].find(
    (pool) => pool.dex === 'quickswap_v3' && pool.kind === 'concentrated' && pool.feePips !== 900,
  )
  return found as ConcentratedPool
}
const received = (receipt: Receipt, token: Address, by: Address) =>
  receipt.logs
    .filter(
      (log) => log.address === token && log.topics[0] === TRANSFER && log.topics[2]?.endsWith(by.slice(2)),
    )
    .reduce((sum, log) => sum + BigInt(log.data), 0n)

test(`${SWAPS} swaps at random times return the quoted amount at the predicted fee`, {
  timeout: 600_000,
}, async () => {
  const random = seededRandom(41)
  const fees = new Set<number>()
  let [swaps, foreseen] = [0, 0]
  for (let i = 0; i < SWAPS; i++) {
    // The next block comes after seconds, minutes or hours; the state is read on top of it.
    await rpc(floor.local.url, 'evm_increaseTime', Math.floor(Math.exp(random() * 9)))
    await floor.mined()
    const pool = dynamic()
    const [tokenIn, tokenOut] = (random() < 0.5 ? pool.tokens : [pool.tokens[1], pool.tokens[0]]) as [
      Address,
      Address,
    ]
    const amount =
      BigInt(Math.floor(virtualReserves(pool, tokenIn, tokenOut)[0] * random() ** 3 * 0.05)) + 1_000n
    if (quoteExactIn(pool, tokenIn, tokenOut, amount) === undefined) continue
    const hash = await floor.swap(pool, tokenIn, tokenOut, amount)
    await floor.mined()
    const receipt = (await floor.local.chain.receipt(hash)) as Receipt
    const fee = receipt.logs
      .filter((log) => log.address === pool.address)
      .map(pluginFee)
      .find((each) => each !== undefined)
    fees.add(pool.feePips)
    // The fee differs only if the clock ticks between the read and the block.
    const after = quoteExactIn({ ...pool, feePips: fee as number }, tokenIn, tokenOut, amount)
    expect(received(receipt, tokenOut, floor.local.market.trader)).toBe(after)
    if (fee === pool.feePips) foreseen++
    swaps++
  }
  expect(foreseen / swaps).toBeGreaterThan(0.9)
  // The fee did change.
  expect(fees.size).toBeGreaterThan(10)
  await expectFresh(floor.local, floor.market)
})

test('a trade through the pool earns the predicted profit, or is booked as a changed fee', {
  timeout: 60_000,
}, async () => {
  const { executor, store, sent, violations } = await floor.executor()
  const detector = new Detector({ market: floor.market, loans: floor.loans, now: Date.now })
  const everything = () => ({
    head: floor.market.head,
    changed: new Set(floor.market.pools.keys()),
    logs: [],
    receivedAt: Date.now(),
  })
  for (const [late, outcomes] of [
    [0, ['as-predicted']],
    [600, ['state-moved', 'reverted']],
  ] as const) {
    const pool = dynamic()
    await floor.swap(
      pool,
      pool.tokens[0] as Address,
      pool.tokens[1] as Address,
      BigInt(
        Math.floor(virtualReserves(pool, pool.tokens[0] as Address, pool.tokens[1] as Address)[0] * 0.06),
      ),
    )
    await floor.mined()
    await executor.onHead(floor.market.head)
    const detection = detector.detect(everything())
    const through = detection.opportunities.filter(({ cycles }) =>
      cycles.some(({ legs }) => legs.some((leg) => leg.pool === pool.address)),
    )
    expect(through.length).toBeGreaterThan(0)
    await executor.onDetection({ ...detection, opportunities: through.slice(0, 1) })
    // The block comes later than predicted.
    if (late > 0) await rpc(floor.local.url, 'evm_increaseTime', late)
    for (let i = 0; i < 5; i++) {
      await floor.mined()
      await executor.onHead(floor.market.head)
    }
    const hash = sent.at(-1)?.hash as Hex
    expect(outcomes).toContain(store.booked.find((trade) => trade.hash === hash)?.outcome)
  }
  expect(violations).toEqual([])
})
