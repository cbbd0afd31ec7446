/** Positions against closed forms, and against pools without fees whose price is moved by swaps. */
import { expect, test } from 'vitest'
import { amount0Delta, amount1Delta, type Pool, sqrtRatioAtTick, swapExactIn } from '../../amm/index.ts'
import { lossPercent, rangePosition, weightedPosition } from './lp-positions.ts'

const E18 = 10n ** 18n
const [X, Y] = [`0x${'1'.repeat(40)}`, `0x${'2'.repeat(40)}`] as const
const shared = { address: `0x${'a'.repeat(40)}`, dex: 'x', tokens: [X, Y] } as const

test.each([0.01, 0.5, 0.9, 1, 1.1, 2, 4, 100])(
  'constant product at price ratio %s: 1 - 2 sqrt(r) / (1 + r)',
  (ratio) => {
    expect(lossPercent(weightedPosition(ratio, 0.5))).toBeCloseTo(
      100 - (200 * Math.sqrt(ratio)) / (1 + ratio),
      10,
    )
  },
)

test('published losses: 5.72 % at a doubled price, 20 % at the fourfold, 0.62 % at 1.25', () => {
  expect(lossPercent(weightedPosition(2, 0.5))).toBeCloseTo(5.72, 2)
  expect(lossPercent(weightedPosition(4, 0.5))).toBeCloseTo(20, 10)
  expect(lossPercent(weightedPosition(1.25, 0.5))).toBeCloseTo(0.62, 2)
})

/** Swaps in many small steps. Returns the pool after them and what traders paid and received in all. */
function tradeInSteps(pool: Pool, tokenIn: typeof X | typeof Y, total: bigint, steps: bigint) {
  let [now, paid, received] = [pool, 0n, 0n]
  for (let step = 0n; step < steps; step++) {
    const result = swapExactIn(now, tokenIn, tokenIn === X ? Y : X, total / steps)
    if (!result.ok) throw new Error(result.refusal)
    now = result.swap.after as Pool
    paid += total / steps
    received += result.swap.amountOut
  }
  return { after: now, paid: Number(paid) / 1e18, received: Number(received) / 1e18 }
}

test.each([
  [Y, 500n],
  [X, 700n],
] as const)('a constant-product pool whose price is moved by swaps of %s', (tokenIn, total) => {
  const pool: Pool = {
    ...shared,
    kind: 'constant-product',
    reserves: [1_000n * E18, 1_000n * E18],
    feeBps: 0,
  }
  const { after } = tradeInSteps(pool, tokenIn, total * E18, 20n)
  if (after.kind !== 'constant-product') throw new Error('another pool')
  const [x, y] = after.reserves.map((reserve) => Number(reserve) / 1e18) as [number, number]
  // The price of X in Y was 1 and the position 2,000 Y.
  const ratio = y / x
  const { providing, holding } = weightedPosition(ratio, 0.5)
  expect(providing).toBeCloseTo((x * ratio + y) / 2_000, 9)
  expect(holding).toBeCloseTo((1_000 * ratio + 1_000) / 2_000, 9)
})

test('a weighted pool of 80 % X whose price is moved by swaps', () => {
  const pool: Pool = {
    ...shared,
    kind: 'weighted',
    balances: [800n * E18, 200n * E18],
    weights: [(8n * E18) / 10n, (2n * E18) / 10n],
    swapFee: 0n,
    scalingFactors: [E18, E18],
  }
  // Each step pays at most 30 % of a balance, as the vault requires.
  const { after } = tradeInSteps(pool, Y, 100n * E18, 10n)
  if (after.kind !== 'weighted') throw new Error('another pool')
  const [x, y] = after.balances.map((balance) => Number(balance) / 1e18) as [number, number]
  // Weighted price of X in Y: (y / 0.2) / (x / 0.8); before: 1.
  const ratio = y / 0.2 / (x / 0.8)
  const { providing, holding } = weightedPosition(ratio, 0.8)
  expect(providing).toBeCloseTo((x * ratio + y) / 1_000, 6)
  expect(holding).toBeCloseTo((800 * ratio + 200) / 1_000, 6)
  expect(lossPercent({ providing, holding })).toBeGreaterThan(0)
})

test.each([Y, X])('a concentrated pool whose price is moved within its range by swaps of %s', (tokenIn) => {
  const [low, high] = [-2_000, 3_000]
  const liquidity = 1_000n * E18
  const pool: Pool = {
    ...shared,
    kind: 'concentrated',
    engine: 'uniswap-v3',
    sqrtPriceX96: sqrtRatioAtTick(0),
    tick: 0,
    liquidity,
    tickSpacing: 10,
    feePips: 0,
    ticks: [
      [low, liquidity, liquidity],
      [high, -liquidity, liquidity],
    ],
  }
  const [root, rootLow, rootHigh] = [0, low, high].map(sqrtRatioAtTick) as [bigint, bigint, bigint]
  const x0 = Number(amount0Delta(root, rootHigh, liquidity, false)) / 1e18
  const y0 = Number(amount1Delta(rootLow, root, liquidity, false)) / 1e18
  const { after, paid, received } = tradeInSteps(pool, tokenIn, 40n * E18, 8n)
  if (after.kind !== 'concentrated') throw new Error('another pool')
  const ratio = (Number(after.sqrtPriceX96) / 2 ** 96) ** 2
  const [x, y] = tokenIn === Y ? [x0 - received, y0 + paid] : [x0 + paid, y0 - received]
  const { providing, holding } = rangePosition(ratio, 1.0001 ** low, 1.0001 ** high)
  expect(providing).toBeCloseTo((x * ratio + y) / (x0 + y0), 9)
  expect(holding).toBeCloseTo((x0 * ratio + y0) / (x0 + y0), 9)
})

test('a very wide range is a full range; beyond its ends a position is one token', () => {
  expect(rangePosition(2, 1e-12, 1e12).providing).toBeCloseTo(Math.SQRT2, 5)
  // Above the range all X was sold between 1 and 1.25 for its geometric mean price.
  const [x0, y0] = [1 - 1 / Math.sqrt(1.25), 1 - Math.sqrt(0.8)]
  expect(rangePosition(9, 0.8, 1.25).providing).toBeCloseTo((x0 * Math.sqrt(1.25) + y0) / (x0 + y0), 10)
  expect(rangePosition(1, 0.8, 1.25)).toEqual({ providing: 1, holding: 1 })
  for (const [lower, upper] of [
    [1.1, 2],
    [0.5, 0.9],
    [1, 2],
  ] as const)
    expect(() => rangePosition(1.5, lower, upper)).toThrow(/lower below 1/)
})
