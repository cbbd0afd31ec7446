import { expect, test } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address, ConstantProductPool, Pool, WeightedPool } from '../../amm/index.ts'
import { gasOf, type Opportunity } from '../../arbitrage/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import { sizeCycle } from '../../graph/index.ts'
import type { Detection } from '../../ports/messages.ts'
import { RecordedMarket } from '../paper/recording.ts'
import { Detector } from './detector.ts'

const E18 = 10n ** 18n
const GWEI = 10n ** 9n
const token = (digit: string): Address => `0x${digit.repeat(40)}`
const [A, B, C, D, E, F, G] = ['a', 'b', 'c', 'd', 'e', 'f', '9'].map(token) as [
  Address,
  Address,
  Address,
  Address,
  Address,
  Address,
  Address,
]
const place = (number: number): Address => `0x${number.toString(16).padStart(40, '0')}`
const pair = (number: number, tokens: [Address, Address], x: bigint, y: bigint): ConstantProductPool => ({
  kind: 'constant-product',
  address: place(number),
  dex: 'd',
  tokens,
  reserves: [x * E18, y * E18],
  feeBps: 30,
})
const inVault = (number: number, tokens: [Address, Address], x: bigint, y: bigint): WeightedPool => ({
  kind: 'weighted',
  address: place(number),
  dex: 'balancer_v2',
  tokens,
  balances: [x * E18, y * E18],
  weights: [E18 / 2n, E18 / 2n],
  scalingFactors: [E18, E18],
  swapFee: 3n * 10n ** 15n,
})
const lend = (of: Address, kind: LoanOffer['kind'], rate: bigint): LoanOffer => ({
  kind,
  lender: token(kind === 'aave-v3' ? '7' : '8'),
  token: of,
  available: 10n ** 30n,
  rate,
  isToken0: false,
})

/**
 * The trades of a market at a base fee in wei; all tokens are worth about the same, and A is the native one.
 */
function detect(
  pools: readonly Pool[],
  baseFeePerGas: bigint,
  { aaveBps = 0n, startTokens = [A] }: { aaveBps?: bigint; startTokens?: readonly Address[] } = {},
): readonly Opportunity[] {
  return detection(pools, baseFeePerGas, { aaveBps, startTokens }).opportunities
}

/** The detection of a market whose pools have all changed. */
function detection(
  pools: readonly Pool[],
  baseFeePerGas: bigint,
  { aaveBps = 0n, startTokens = [A] }: { aaveBps?: bigint; startTokens?: readonly Address[] } = {},
): Detection {
  const market = new RecordedMarket({
    schema: 'market-recording/1',
    manifest: testManifest(A, {
      startTokens,
    }),
    head: { number: 7, hash: '0x77', parentHash: '0x66', timestamp: 1_000, baseFeePerGas },
    pools,
    offers: [],
  })
  const loans = {
    offers: (of: Address) => [lend(of, 'balancer-v2', 0n), lend(of, 'aave-v3', aaveBps)],
  }
  const everything = new Set(pools.map(({ address }) => address))
  const detector = new Detector({ market, loans, now: () => 5 })
  return detector.detect({ head: market.head, changed: everything, logs: [], receivedAt: 5 })
}

/** The profit before premium of the best cycle through two pools, on its own. */
function alone(pools: readonly [Pool, Pool], tokens: readonly [Address, Address]): bigint {
  const byAddress = new Map(pools.map((pool) => [pool.address, pool]))
  const [[first, second], [from, to]] = [pools, tokens]
  const cycle = (one: Pool, other: Pool) =>
    sizeCycle(
      [
        { pool: one.address, tokenIn: from, tokenOut: to },
        { pool: other.address, tokenIn: to, tokenOut: from },
      ],
      byAddress,
    )?.grossProfit ?? 0n
  const [forwards, backwards] = [cycle(first, second), cycle(second, first)]
  return forwards > backwards ? forwards : backwards
}

const poolsIn = (trade: Opportunity | undefined) =>
  trade?.cycles.map(({ legs }) => legs.map((leg) => leg.pool).sort())
const net = (trade: Opportunity | undefined, baseFee: bigint) =>
  trade === undefined ? Number.NaN : Number(trade.profit) - gasOf(trade) * Number(baseFee)

// Three gaps of different sizes that share no pool.
const large = [pair(1, [A, B], 1_000n, 1_000n), pair(2, [A, B], 1_000n, 1_060n)] as const
const middle = [pair(3, [A, C], 1_000n, 1_000n), pair(4, [A, C], 1_000n, 1_050n)] as const
const inTheVault = [pair(5, [A, D], 1_000n, 1_000n), inVault(6, [A, D], 1_000n, 1_065n)] as const

test('gaps that share no pool are one transaction, which saves the gas of the other', () => {
  const [trade, ...others] = detect([...large, ...middle], 100n * GWEI)
  expect(poolsIn(trade)).toEqual([
    [place(1), place(2)],
    [place(3), place(4)],
  ])
  expect(others).toEqual([])
  expect(trade?.profit).toBe(alone(large, [A, B]) + alone(middle, [A, C]))
})

test('a trade that earns more before gas is joined, although another is the best single trade after gas', () => {
  // The gap in the vault earns most before gas, with a variant through a further pool. It needs Aave: 77,000
  // gas more.
  const pools = [...large, ...inTheVault, inVault(10, [A, D], 900n, 958n)]
  const [largeAlone, vaultAlone] = [alone(large, [A, B]), alone(inTheVault, [A, D])]
  expect(vaultAlone).toBeGreaterThan(largeAlone)
  // By hand: 95,000 for the transaction, 77,000 for Aave, 62,000 per pair, 105,000 per pool of the vault.
  const baseFee = 600n * GWEI
  const largeNet = Number(largeAlone) - 219_000 * Number(baseFee)
  expect(largeNet).toBeGreaterThan(Number(vaultAlone) - 339_000 * Number(baseFee))
  const [trade] = detect(pools, baseFee)
  const used = poolsIn(trade)?.flat()
  expect(used).toEqual(expect.arrayContaining([place(1), place(2), place(5)]))
  expect(trade?.loan.kind).toBe('aave-v3')
  expect(net(trade, baseFee)).toBeGreaterThan(largeNet)
})

test('a joined cycle pays for the lender that it requires, else it is traded alone', () => {
  const pools = [...large, ...middle, ...inTheVault]
  // The vault's gap pays Aave's 1 % on its own loan; the others borrow for nothing without it.
  const [joined, ...others] = detect(pools, 1n * GWEI, { aaveBps: 100n })
  expect(poolsIn(joined)).toEqual([
    [place(1), place(2)],
    [place(3), place(4)],
  ])
  expect(joined?.loan.kind).toBe('balancer-v2')
  expect(others.map((other) => [poolsIn(other), other.loan.kind])).toEqual([
    [[[place(5), place(6)]], 'aave-v3'],
  ])
})

test('a cycle that is worth its swaps but not its lender is left out of the joined trade', () => {
  const small = [pair(5, [A, D], 10n, 10n), inVault(6, [A, D], 10n, 11n)] as const
  const [baseFee, profit] = [50n * GWEI, alone(small, [A, D])]
  expect(profit > 167_000n * baseFee && profit < (167_000n + 77_000n) * baseFee).toBe(true)
  const [joined] = detect([...large, ...middle, ...small], baseFee)
  expect(poolsIn(joined)).toEqual([
    [place(1), place(2)],
    [place(3), place(4)],
  ])
})

test('trades stay separate where they earn more so: one loan for both would cost its premium on the larger', () => {
  const small = [pair(5, [A, D], 10n, 10n), inVault(6, [A, D], 10n, 11n)] as const
  const separate = detect([...large, ...small], 10n * GWEI, { aaveBps: 1n })
  expect(separate.map((trade) => trade.cycles.length)).toEqual([1, 1])
  // As gas becomes dearer, one transaction is better.
  const together = detect([...large, ...small], 20n * GWEI, { aaveBps: 1n })
  expect(together.map((trade) => trade.cycles.length)).toEqual([2])
})

test('cycles of another start token are joined as well, whichever token has the best trade', () => {
  const other = [
    pair(11, [E, F], 960n, 960n),
    pair(12, [E, F], 960n, 1_000n),
    pair(13, [E, G], 960n, 960n),
    pair(14, [E, G], 960n, 1_000n),
    pair(15, [A, E], 1_000n, 1_000n),
  ]
  const trades = detect([...large, ...middle, ...other], 100n * GWEI, { startTokens: [A, E] })
  expect(trades.map((trade) => [trade.token, trade.cycles.length])).toEqual([
    [A, 2],
    [E, 2],
  ])
})

test('of more paying cycles than are published, the rest is counted', () => {
  // 15 gaps, each with a token of its own: one cycle per gap pays, and 12 are published at most.
  const gaps = Array.from({ length: 15 }, (_, index) => {
    const [number, other] = [100 + 2 * index, token('0')]
    const own: Address = `0x${(index + 1).toString(16).padStart(2, '0')}${other.slice(4)}`
    return [
      pair(number, [own, A], 1_000n, 1_000n),
      pair(number + 1, [own, A], 1_000n, 1_060n + BigInt(index)),
    ]
  })
  expect(detection(gaps.flat(), 1n * GWEI).more).toBe(3)
  expect(detection(gaps.slice(0, 12).flat(), 1n * GWEI).more).toBe(0)
})
