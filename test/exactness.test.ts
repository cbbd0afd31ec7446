/** The mathematics against the deployed bytecode: equal amounts to the unit, equal refusals. */
import { decodeFunctionResult, encodeFunctionData, type Hex } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, type Pool, swapExactIn } from '../src/amm/index.ts'
import type { MarketReplica } from '../src/engine/market/replica.ts'
import { own } from '../src/localnet/artifacts.ts'
import { embeddedMarket } from '../src/localnet/market.ts'
import type { MarketPlan } from '../src/localnet/plan.ts'
import { rpc, rpcBatch, toHex } from '../src/localnet/rpc.ts'
import { localSwap } from '../src/localnet/traders.ts'
import { seededRandom } from '../src/std/random.ts'
import { expectFresh } from './support/expect-fresh.ts'
import { followMarket, startTestChain, type TestChain } from './support/local-chain.ts'

const SWAPS = Number(process.env.EXACTNESS_SWAPS ?? 2_000)
const traderAbi = own('LocalTrader').abi
/** Any account: swaps on the local market need no permission. */
const FROM = '0x00000000000000000000000000000000000b0001'
let local: TestChain
let replica: MarketReplica

beforeAll(async () => {
  local = await startTestChain(everyGeneration())
  replica = await followMarket(local)
})
afterAll(() => local?.stop())

/** The embedded market, with every generation, number of tokens and fast path of Balancer's pools. */
function everyGeneration(): MarketPlan {
  const plan = embeddedMarket(seededRandom(7))
  const pools = plan.snapshot.pools.flatMap((pool, index): Pool[] => {
    const address: Address = `0x${(0xe0000000 + index).toString(16).padStart(40, '0')}`
    // One pool with a protocol fee, different per direction.
    if (pool.kind === 'concentrated' && pool.engine === 'uniswap-v4' && !pool.native)
      return [{ ...pool, protocolFee: [300, 150] }]
    if (pool.kind === 'weighted') return [pool, { ...pool, address, powShortcuts: !pool.powShortcuts }]
    if (pool.kind !== 'stable') return [pool]
    const two = {
      tokens: pool.tokens.slice(0, 2),
      balances: pool.balances.slice(0, 2),
      scalingFactors: pool.scalingFactors.slice(0, 2),
    }
    return [
      pool,
      { ...pool, address, invariantRounding: 'up' },
      { ...pool, ...two, address: `${address.slice(0, -2)}ff` as Address, amp: 50_000n },
    ]
  })
  return { ...plan, snapshot: { ...plan.snapshot, pools } }
}

interface Trial {
  readonly pool: Pool
  readonly tokenIn: Address
  readonly tokenOut: Address
  readonly amountIn: bigint
}

function randomTrial(pools: readonly Pool[], random: () => number, share = 10): Trial {
  const pool = pools[Math.floor(random() * pools.length)] as Pool
  const first = Math.floor(random() * pool.tokens.length)
  const second = (first + 1 + Math.floor(random() * (pool.tokens.length - 1))) % pool.tokens.length
  const [tokenIn, tokenOut] = [pool.tokens[first] as Address, pool.tokens[second] as Address]
  // Uniform over the orders of magnitude from one unit to `share` times the pool's balance.
  const max = Number(heldOf(pool, first)) * share
  return { pool, tokenIn, tokenOut, amountIn: BigInt(Math.floor(Math.exp(random() * Math.log(max)))) + 1n }
}

function heldOf(pool: Pool, token: number): bigint {
  if (pool.kind === 'constant-product') return pool.reserves[token as 0 | 1]
  if (pool.kind !== 'concentrated') return pool.balances[token] as bigint
  return token === 0
    ? (pool.liquidity << 96n) / pool.sqrtPriceX96
    : (pool.liquidity * pool.sqrtPriceX96) >> 96n
}

const swapCall = ({ pool, tokenIn, tokenOut, amountIn }: Trial): Hex =>
  encodeFunctionData({
    abi: traderAbi,
    functionName: 'swap',
    args: [localSwap(pool, { pool: pool.address, tokenIn, tokenOut }), amountIn, 0n],
  })

const kinds: Record<string, (pool: Pool) => boolean> = {
  'constant-product': (pool) => pool.kind === 'constant-product',
  'concentrated (Uniswap V3)': (pool) => pool.kind === 'concentrated' && pool.engine === undefined,
  'concentrated (Uniswap V4)': (pool) => pool.kind === 'concentrated' && pool.engine === 'uniswap-v4',
  // Pools whose plugin changes the fee with time: test/dynamic-fee.test.ts.
  'concentrated (Algebra)': (pool) =>
    pool.kind === 'concentrated' && pool.engine === 'algebra' && pool.feePips === 900,
  weighted: (pool) => pool.kind === 'weighted',
  stable: (pool) => pool.kind === 'stable',
}

for (const [kind, belongs] of Object.entries(kinds)) {
  test(`${SWAPS} random swaps of ${kind} pools equal the bytecode`, { timeout: 900_000 }, async () => {
    const random = seededRandom(kind.length)
    let [checked, crossed, refused] = [0, 0, 0]
    while (checked < SWAPS) {
      const pools = [...replica.pools.values()].filter(belongs)
      expect(pools.length).toBeGreaterThan(0)
      const block = await local.chain.block('latest')
      const trials = Array.from({ length: Math.min(1_000, SWAPS - checked) }, () =>
        randomTrial(pools, random),
      )
      const body = trials.map((trial, id) => ({
        jsonrpc: '2.0',
        id,
        method: 'eth_call',
        params: [{ to: local.market.trader, data: swapCall(trial) }, toHex(block.number)],
      }))
      const response = await fetch(local.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      const answers = (await response.json()) as { id: number; result?: Hex; error?: { message: string } }[]
      for (const answer of answers) {
        const { pool, tokenIn, tokenOut, amountIn } = trials[answer.id] as Trial
        const ours = swapExactIn(pool, tokenIn, tokenOut, amountIn)
        const theirs = answer.result
          ? (decodeFunctionResult({ abi: traderAbi, functionName: 'swap', data: answer.result }) as bigint)
          : undefined
        // We refuse a swap with no output; most contracts accept the input.
        const expected = theirs === 0n ? undefined : theirs
        expect(
          ours.ok ? ours.swap.amountOut : undefined,
          `${pool.dex} ${pool.address} ${tokenIn} ${amountIn}: ${answer.error?.message ?? ''} ${ours.ok ? '' : ours.refusal}`,
        ).toBe(expected)
        if (!ours.ok) refused++
        else if (
          pool.kind === 'concentrated' &&
          ours.swap.after.kind === 'concentrated' &&
          ours.swap.after.liquidity !== pool.liquidity
        )
          crossed++
        checked++
      }
      // Move every pool a little, so that the next trials start from new states.
      await rpcBatch(
        local.url,
        pools.map((pool) => {
          const trial = randomTrial([pool], random, 0.05)
          return {
            method: 'eth_sendTransaction',
            params: [{ from: FROM, to: local.market.trader, data: swapCall(trial), gas: toHex(3_000_000) }],
          }
        }),
      )
      await rpc(local.url, 'evm_mine')
      const head = await local.chain.block('latest')
      await expect.poll(() => replica.head.number, { timeout: 5_000 }).toBe(head.number)
    }
    if (kind.startsWith('concentrated')) expect(crossed).toBeGreaterThan(SWAPS / 50)
    expect(refused).toBeGreaterThan(0)
    console.log(
      `${kind}: ${checked} swaps, ${refused} refused by both${crossed > 0 ? `, ${crossed} crossed a tick` : ''}, 0 differences`,
    )
  })
}

test('the state derived from the logs equals the state on chain', async () => {
  await expectFresh(local, replica)
})
