/** The mathematics against the real bytecode: the same amount out to the unit, the same refusals. */
import { decodeFunctionResult, encodeFunctionData, type Hex } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Pool, swapExactIn } from '../src/amm/index.ts'
import type { MarketReplica } from '../src/engine/market.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import { seededRandom } from '../src/std/random.ts'
import { followMarket, startTestChain, type TestChain } from './support/local-chain.ts'

const SWAPS = Number(process.env.EXACTNESS_SWAPS ?? 10_000)
const traderAbi = own('LocalTrader').abi
let local: TestChain
let replica: MarketReplica

beforeAll(async () => {
  local = await startTestChain()
  replica = await followMarket(local)
})
afterAll(() => local?.stop())

function swapCall(pool: Pool, zeroForOne: boolean, amountIn: bigint): Hex {
  return encodeFunctionData({
    abi: traderAbi,
    functionName: 'swap',
    args: [pool.address, pool.kind === 'concentrated', pool.kind === 'constant-product' ? pool.feeBps : 0, zeroForOne, pool.tokens[zeroForOne ? 0 : 1], amountIn, 0n],
  })
}

/** Spread evenly over the orders of magnitude from one unit to ten times what the pool holds. */
function randomAmount(pool: Pool, zeroForOne: boolean, random: () => number): bigint {
  const most =
    pool.kind === 'constant-product' ? pool.reserves[zeroForOne ? 0 : 1] : zeroForOne ? (pool.liquidity << 96n) / pool.sqrtPriceX96 : (pool.liquidity * pool.sqrtPriceX96) >> 96n
  return BigInt(Math.floor(Math.exp(random() * Math.log(Number(most) * 10)))) + 1n
}

for (const kind of ['constant-product', 'concentrated'] as const) {
  test(`${SWAPS} random swaps of ${kind} pools equal the bytecode`, { timeout: 600_000 }, async () => {
    const random = seededRandom(kind.length)
    let checked = 0
    let crossed = 0
    let refused = 0
    while (checked < SWAPS) {
      const pools = [...replica.pools.values()].filter((pool) => pool.kind === kind)
      const block = await local.chain.block('latest')
      const trials = Array.from({ length: Math.min(1_000, SWAPS - checked) }, () => {
        const pool = pools[Math.floor(random() * pools.length)] as Pool
        const zeroForOne = random() < 0.5
        return { pool, zeroForOne, amountIn: randomAmount(pool, zeroForOne, random) }
      })
      const body = trials.map(({ pool, zeroForOne, amountIn }, id) => ({
        jsonrpc: '2.0',
        id,
        method: 'eth_call',
        params: [{ to: local.market.trader, data: swapCall(pool, zeroForOne, amountIn) }, toHex(block.number)],
      }))
      const response = await fetch(local.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
      const answers = (await response.json()) as { id: number; result?: Hex; error?: { message: string } }[]
      for (const answer of answers) {
        const { pool, zeroForOne, amountIn } = trials[answer.id] as (typeof trials)[number]
        const ours = swapExactIn(pool, zeroForOne, amountIn)
        const theirs = answer.result ? (decodeFunctionResult({ abi: traderAbi, functionName: 'swap', data: answer.result }) as bigint) : undefined
        // A pool that would pay nothing is of no use: we refuse, a concentrated pool takes the input all the same.
        const expected = theirs === 0n ? undefined : theirs
        expect(ours.ok ? ours.swap.amountOut : undefined, `${pool.dex} ${pool.address} ${zeroForOne} ${amountIn}: ${answer.error?.message ?? ''}`).toBe(expected)
        if (!ours.ok) refused++
        else if (pool.kind === 'concentrated' && ours.swap.after.kind === 'concentrated' && ours.swap.after.liquidity !== pool.liquidity) crossed++
        checked++
      }
      // Move every pool a little, so that the next thousand start from states no one chose.
      const from = '0x00000000000000000000000000000000000b0001'
      for (const pool of pools) {
        const zeroForOne = random() < 0.5
        const amountIn = randomAmount(pool, zeroForOne, random) / 200n + 1n
        await rpc(local.url, 'eth_sendTransaction', { from, to: local.market.trader, data: swapCall(pool, zeroForOne, amountIn), gas: toHex(3_000_000) })
      }
      await rpc(local.url, 'evm_mine')
      const head = await local.chain.block('latest')
      await expect.poll(() => replica.head.number, { timeout: 5_000 }).toBe(head.number)
    }
    if (kind === 'concentrated') expect(crossed).toBeGreaterThan(SWAPS / 50)
    expect(refused).toBeGreaterThan(0)
    console.log(`${kind}: ${checked} swaps, ${refused} refused by both, ${crossed} crossed a tick, 0 differences`)
  })
}
