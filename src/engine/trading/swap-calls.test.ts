/**
 * The calls of a swap, executed on balances kept here: each must be affordable and leave every pair's
 * invariant intact.
 */

import { decodeFunctionData, parseAbi } from 'viem'
import { expect, test } from 'vitest'
import { testManifest } from '../../../test/support/manifest.ts'
import type { Address, Pool } from '../../amm/index.ts'
import { bestRoute, MarketGraph } from '../../graph/index.ts'
import { RecordedMarket } from '../paper/recording.ts'
import { buildSwap } from './swap-calls.ts'

const address = (digit: string): Address => `0x${digit.repeat(40)}`
const [WETH, USDC, DAI] = [address('1'), address('2'), address('3')]
const VAULT = address('9')
const ACCOUNT = address('e')
const POOL_ID = `0x${'ab'.repeat(32)}` as const
const E18 = 10n ** 18n
const E6 = 10n ** 6n

const first: Pool = {
  kind: 'constant-product',
  address: address('a'),
  dex: 'x',
  tokens: [WETH, USDC],
  reserves: [100n * E18, 250_000n * E6],
  feeBps: 30,
}
const second: Pool = {
  kind: 'constant-product',
  address: address('b'),
  dex: 'y',
  tokens: [USDC, DAI],
  reserves: [400_000n * E6, 400_000n * E18],
  feeBps: 30,
}
const weighted: Pool = {
  kind: 'weighted',
  address: address('c'),
  dex: 'balancer',
  tokens: [WETH, DAI],
  balances: [100n * E18, 250_000n * E18],
  weights: [E18 / 2n, E18 / 2n],
  swapFee: 3n * 10n ** 15n,
  scalingFactors: [E18, E18],
}
const concentrated: Pool = {
  kind: 'concentrated',
  address: address('d'),
  dex: 'uniswap_v3',
  tokens: [WETH, USDC],
  sqrtPriceX96: 1n << 96n,
  liquidity: 10n ** 24n,
  tick: 0,
  tickSpacing: 60,
  feePips: 3_000,
  ticks: [
    [-887_220, 10n ** 24n, 10n ** 24n],
    [887_220, -(10n ** 24n), 10n ** 24n],
  ],
}

function marketOf(...pools: readonly Pool[]): RecordedMarket {
  return new RecordedMarket({
    schema: 'market-recording/1',
    manifest: testManifest(WETH, {
      nativeSymbol: 'ETH',
      numeraire: USDC,
      tokens: [
        { address: WETH, symbol: 'WETH', decimals: 18 },
        { address: USDC, symbol: 'USDC', decimals: 6 },
        { address: DAI, symbol: 'DAI', decimals: 18 },
      ],
      pools: [
        { kind: 'weighted', address: weighted.address, dex: 'balancer', tokens: [WETH, DAI], id: POOL_ID },
      ],
      balancer: { vault: VAULT },
    }),
    head: { number: 1, hash: '0x1', parentHash: '0x0', timestamp: 1, baseFeePerGas: 1n },
    pools: [...pools],
    offers: [],
  })
}

/** The calls for a swap of `amountIn` WETH, with the slippage given. */
function callsFor(to: Address, amountIn: bigint, slippageBps: number, ...pools: readonly Pool[]) {
  const route = bestRoute(new MarketGraph(pools), WETH, to, amountIn, { maxHops: 3, maxPaths: 1 })
  if (!route) throw new Error('no route')
  return { route, ...buildSwap(marketOf(...pools), route, ACCOUNT, slippageBps) }
}

const abi = parseAbi([
  'function transfer(address to, uint256 value)',
  'function approve(address spender, uint256 value)',
  'function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data)',
])

/** Executes transfers and swaps of pairs; throws where a contract would revert. */
function execute(calls: readonly { to: string; data: string }[], funds: bigint, ...pairs: readonly Pool[]) {
  const balances = new Map<string, bigint>([[`${WETH} ${ACCOUNT}`, funds]])
  const balance = (token: string, owner: string) => balances.get(`${token} ${owner}`) ?? 0n
  const move = (token: string, from: string, to: string, amount: bigint) => {
    if (amount > balance(token, from)) throw new Error(`${from} cannot pay ${amount} of ${token}`)
    balances.set(`${token} ${from}`, balance(token, from) - amount)
    balances.set(`${token} ${to}`, balance(token, to) + amount)
  }
  const reserves = new Map<string, readonly [bigint, bigint]>()
  for (const pool of pairs) {
    if (pool.kind !== 'constant-product') throw new Error('only pairs')
    reserves.set(pool.address, pool.reserves)
    pool.tokens.forEach((token, index) => {
      balances.set(`${token} ${pool.address}`, pool.reserves[index as 0 | 1])
    })
  }
  for (const call of calls) {
    const { functionName, args } = decodeFunctionData({ abi, data: call.data as `0x${string}` })
    if (functionName === 'transfer') move(call.to, ACCOUNT, args[0].toLowerCase(), args[1])
    if (functionName !== 'swap') continue
    const pool = pairs.find((each) => each.address === call.to) as Pool
    const [x, y] = reserves.get(pool.address) as readonly [bigint, bigint]
    const [token0, token1] = [pool.tokens[0] as Address, pool.tokens[1] as Address]
    move(token0, pool.address, args[2].toLowerCase(), args[0])
    move(token1, pool.address, args[2].toLowerCase(), args[1])
    // UniswapV2Pair.swap: balances less 0.3 % of what came in must not reduce the product.
    const [held0, held1] = [balance(token0, pool.address), balance(token1, pool.address)]
    const [in0, in1] = [held0 + args[0] - x, held1 + args[1] - y]
    if ((held0 * 1_000n - in0 * 3n) * (held1 * 1_000n - in1 * 3n) < x * y * 1_000_000n)
      throw new Error('UniswapV2: K')
  }
  return (token: Address) => balance(token, ACCOUNT)
}

test('a swap in one pair pays the input, then takes the output less the slippage', () => {
  const { route, minimumOut, calls } = callsFor(USDC, E18, 50, first)
  // 997 * 250,000 / (100 * 1000 + 997) = 2467.895085...; of it 99.5 %.
  expect(route.amountOut).toBe(2_467_895_085n)
  expect(minimumOut).toBe((2_467_895_085n * 9_950n) / 10_000n)
  expect(calls.map(({ to }) => to)).toEqual([WETH, first.address])
  expect(execute(calls, E18, first)(USDC)).toBe(minimumOut)
})

test('with no slippage allowed the pair gives the whole quote', () => {
  const { route, calls } = callsFor(USDC, E18, 0, first)
  expect(execute(calls, E18, first)(USDC)).toBe(route.amountOut)
})

test('a swap over two pairs needs no funds but the input, and gives at least its minimum', () => {
  for (const slippageBps of [0, 50, 300]) {
    const { route, minimumOut, calls } = callsFor(DAI, E18, slippageBps, first, second)
    expect(route.paths[0]?.hops).toHaveLength(2)
    expect(minimumOut).toBe((route.amountOut * BigInt(10_000 - slippageBps)) / 10_000n)
    const after = execute(calls, E18, first, second)
    expect(after(DAI)).toBeGreaterThanOrEqual(minimumOut)
    expect(after(WETH)).toBe(0n)
  }
})

test('a swap in the vault approves it for the input, then sets the minimum as its limit', () => {
  const { minimumOut, calls } = callsFor(DAI, E18, 100, weighted)
  const [approve, swap] = calls
  expect(approve?.to).toBe(WETH)
  expect(decodeFunctionData({ abi, data: approve?.data as `0x${string}` })).toEqual({
    functionName: 'approve',
    args: [VAULT, E18],
  })
  expect(swap?.to).toBe(VAULT)
  // swap((bytes32,uint8,address,address,uint256,bytes),(address,bool,address,bool),uint256,uint256): the
  // words after the selector.
  const words = (swap?.data.slice(10).match(/.{64}/g) ?? []).map((word) => `0x${word}`)
  expect(swap?.data.slice(0, 10)).toBe('0x52bbbe29')
  expect(words[1]).toBe(`0x${'0'.repeat(24)}${ACCOUNT.slice(2)}`)
  expect(BigInt(words[5] as string)).toBe(minimumOut)
  expect(words[7]).toBe(POOL_ID)
  expect(BigInt(words[11] as string)).toBe(E18)
})

test('a concentrated pool is refused: it takes its input by a callback', () => {
  expect(() => callsFor(USDC, 1_000n, 50, concentrated)).toThrowError(
    expect.objectContaining({ code: 'not-supported' }),
  )
})
