/** Volume, fees and first prices of pools, from the amounts in swap events. */
import { expect, test } from 'vitest'
import {
  DAI_USDC,
  E6,
  E18,
  logOf,
  PoolMarket,
  topicOf,
  USDC,
  WETH,
  WETH_USDC,
} from '../../../test/support/pool-market.ts'
import type { Address, Pool } from '../../amm/index.ts'
import { PoolReturns } from './lp-returns.ts'

/** Selectors of `Swap` of a V2 pair and of a V4 manager. */
const PAIR_SWAP = '0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822'
const MANAGED_SWAP = '0x40e9cecb9f5f1f1c5b9c97dec2917b7ee92e57ba5563708daca94dd84ad7112f'
const pairSwap = (pool: Pool, in0: bigint, in1: bigint, out0: bigint, out1: bigint) =>
  logOf(pool.address, [PAIR_SWAP, topicOf(WETH), topicOf(WETH)], [in0, in1, out0, out1])

function followed(market = new PoolMarket()) {
  const clock = { now: 50_000 }
  const returns = new PoolReturns(market, () => clock.now)
  return { market, returns, clock }
}

test('volume is the value of the inputs, and fees are 30 bps of it', () => {
  const { market, returns } = followed()
  // 2 WETH at 2,500 USDC, then 1,000 USDC.
  market.block(
    [],
    [pairSwap(WETH_USDC, 2n * E18, 0n, 0n, 4_900n * E6), pairSwap(WETH_USDC, 0n, 1_000n * E6, E18, 0n)],
  )
  expect(returns.volume(WETH_USDC.address)).toBeCloseTo(6_000, 4)
  expect(returns.fees(WETH_USDC.address)).toBeCloseTo(18, 6)
  market.block([], [pairSwap(WETH_USDC, E18, 0n, 0n, 2_400n * E6)])
  expect(returns.volume(WETH_USDC.address)).toBeCloseTo(8_500, 4)
  expect(returns.fees(WETH_USDC.address)).toBeCloseTo(25.5, 6)
})

test('a pool without swaps has neither, and other events and pools do not count', () => {
  const { market, returns } = followed()
  const stranger = { ...WETH_USDC, address: '0x8888888888888888888888888888888888888888' } as const
  const sync = logOf(
    DAI_USDC.address,
    ['0x1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1'],
    [E18, E6],
  )
  market.block([], [pairSwap(stranger, E18, 0n, 0n, E6), sync])
  expect([returns.volume(stranger.address), returns.volume(DAI_USDC.address)]).toEqual([0, 0])
  expect(returns.fees(DAI_USDC.address)).toBe(0)
})

test('the first price stays that of the start, in the second token per first, both smallest', () => {
  const { market, returns } = followed()
  market.block([{ ...WETH_USDC, reserves: [100n * E18, 300_000n * E6] }])
  expect(returns.firstPrice(WETH_USDC.address)).toBeCloseTo(2.5e-9, 15)
  expect(returns.firstPrice('0x8888888888888888888888888888888888888888')).toBeUndefined()
})

test('seconds count from the start, and a stopped follower adds nothing', () => {
  const { market, returns, clock } = followed()
  clock.now = 110_000
  expect(returns.seconds()).toBe(60)
  returns.stop()
  market.block([], [pairSwap(WETH_USDC, E18, 0n, 0n, E6)])
  expect(returns.volume(WETH_USDC.address)).toBe(0)
})

test('the fee is that of the direction: a V4 protocol may take more of one side', () => {
  const manager: Address = '0x7777777777777777777777777777777777777777'
  const id = `0x${'9'.repeat(64)}` as const
  const pool: Pool = {
    kind: 'concentrated',
    engine: 'uniswap-v4',
    address: `0x${'9'.repeat(40)}`,
    dex: 'v4',
    tokens: [WETH, USDC],
    sqrtPriceX96: BigInt(Math.round(Math.sqrt(2.5e-9) * 2 ** 96)),
    liquidity: E18,
    tick: -198_079,
    tickSpacing: 60,
    feePips: 3_000,
    // 0.1 % of inputs of token 0, nothing of token 1.
    protocolFee: [1_000, 0],
  }
  const market = new PoolMarket([WETH_USDC, pool], {
    uniswapV4: { manager },
    pools: [{ kind: pool.kind, address: pool.address, dex: pool.dex, tokens: pool.tokens, id }],
  })
  const { returns } = followed(market)
  // The manager reports the swapper's side: 1,000 USDC paid for WETH.
  market.block(
    [],
    [logOf(manager, [MANAGED_SWAP, id, topicOf(WETH)], [E18 / 3n, -1_000n * E6, 1n, 1n, 1n, 1n])],
  )
  expect(returns.volume(pool.address)).toBeCloseTo(1_000, 4)
  expect(returns.fees(pool.address)).toBeCloseTo(3, 6)
})

test('the yearly rate is fees over value by time, unknown in the first minute', () => {
  const { market, returns, clock } = followed()
  market.block([], [pairSwap(WETH_USDC, 2n * E18, 0n, 0n, 4_900n * E6)])
  clock.now += 59_000
  expect(returns.yieldOf(WETH_USDC).annualPercent).toBeNull()
  clock.now += 3_541_000
  // 15 USDC an hour on 500,000 USDC.
  expect(returns.yieldOf(WETH_USDC)).toMatchObject({
    value: expect.closeTo(500_000, 3),
    volume: expect.closeTo(5_000, 4),
    fees: expect.closeTo(15, 6),
    annualPercent: expect.closeTo((100 * 15 * 24 * 365) / 500_000, 6),
  })
  expect(returns.yields([WETH]).map(({ pool }) => pool.address)).toEqual([WETH_USDC.address])
  expect(returns.yields([USDC]).map(({ pool }) => pool.address)).toEqual([
    WETH_USDC.address,
    DAI_USDC.address,
  ])
})

test('the return is fees less the loss by the price move', () => {
  const { market, returns } = followed()
  // The price of WETH rises from 2,500 to 10,000: a loss of 20 %.
  market.block(
    [{ ...WETH_USDC, reserves: [50n * E18, 500_000n * E6] }],
    [pairSwap(WETH_USDC, 0n, 250_000n * E6, 50n * E18, 0n)],
  )
  const { feesPercent, priceChangePercent, lossPercent, netPercent } = returns.returnOf(WETH_USDC.address)
  expect(feesPercent).toBeCloseTo((100 * 750) / 1_000_000, 6)
  expect(priceChangePercent).toBeCloseTo(300, 6)
  expect(lossPercent).toBeCloseTo(20, 6)
  expect(netPercent).toBeCloseTo(0.075 - 20, 6)
})

test('a weighted pool loses by its weights; a pool that appears later counts from then', () => {
  const { market, returns } = followed()
  const heavy: Pool = {
    kind: 'weighted',
    address: `0x${'6'.repeat(40)}`,
    dex: 'x',
    tokens: [WETH, USDC],
    balances: [80n * E18, 50_000n * E6],
    weights: [(8n * E18) / 10n, (2n * E18) / 10n],
    swapFee: 0n,
    scalingFactors: [E18, 10n ** 30n],
  }
  expect(() => returns.returnOf(heavy.address)).toThrow(expect.objectContaining({ code: 'not-found' }))
  market.block([heavy])
  expect(returns.returnOf(heavy.address).lossPercent).toBeCloseTo(0, 9)
  market.block([{ ...heavy, balances: [40n * E18, 50_000n * E6] }])
  // The price doubles: 1 - 2^0.8 / (0.8 * 2 + 0.2).
  expect(returns.returnOf(heavy.address).lossPercent).toBeCloseTo(100 * (1 - 2 ** 0.8 / 1.8), 6)
})
