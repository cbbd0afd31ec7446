/** All four lenders with the real contracts: what is predicted is what comes out, to the unit. */
import { encodeFunctionData, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Address } from '../src/amm/index.ts'
import { legsOf, withBestLoan } from '../src/arbitrage/index.ts'
import { transferred } from '../src/engine/books.ts'
import { poolOffers, readProtocolLenders } from '../src/engine/lenders.ts'
import type { MarketReplica } from '../src/engine/market.ts'
import { CycleIndex } from '../src/graph/index.ts'
import { encodeExecute } from '../src/intents/index.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import type { Hex } from '../src/ports/chain.ts'
import { followMarket, OPERATOR, startTestChain, type TestChain, TREASURY } from './support/local-chain.ts'

const erc20 = parseAbi(['function balanceOf(address) view returns (uint256)', 'function allowance(address,address) view returns (uint256)'])
let local: TestChain
let replica: MarketReplica

beforeAll(async () => {
  local = await startTestChain()
  replica = await followMarket(local)
  await rpc(local.url, 'anvil_impersonateAccount', OPERATOR)
})
afterAll(() => local?.stop())

const symbol = (name: string) => local.market.manifest.tokens.find((token) => token.symbol === name)?.address as Address
const read = async (to: Address, functionName: 'balanceOf' | 'allowance', args: readonly Address[]) =>
  BigInt(await local.chain.call({ to, data: encodeFunctionData({ abi: erc20, functionName, args: args as never }) }, 'latest'))

async function mined(): Promise<void> {
  await rpc(local.url, 'evm_mine')
  const head = await local.chain.block('latest')
  await expect.poll(() => replica.head.number, { timeout: 5_000 }).toBe(head.number)
}

/** Someone buys a lot in one pool, and a gap opens. */
async function openGap(share: bigint): Promise<void> {
  const pool = [...replica.pools.values()].find(
    (candidate) => candidate.kind === 'constant-product' && candidate.dex === 'quickswap' && candidate.tokens.includes(symbol('WETH')) && candidate.tokens.includes(symbol('USDC')),
  )
  if (pool?.kind !== 'constant-product') throw new Error('no such pool')
  const zeroForOne = replica.head.number % 2 === 0
  const args = [pool.address, false, pool.feeBps, zeroForOne, pool.tokens[zeroForOne ? 0 : 1], pool.reserves[zeroForOne ? 0 : 1] / share, 0n]
  const data = encodeFunctionData({ abi: own('LocalTrader').abi, functionName: 'swap', args })
  await rpc(local.url, 'eth_sendTransaction', { from: '0x00000000000000000000000000000000000b0001', to: local.market.trader, data, gas: toHex(2_000_000) })
  await mined()
}

for (const kind of ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2'] as const) {
  test(`${kind}: predicted equals realised, nothing is left`, async () => {
    await openGap(kind === 'aave-v3' ? 40n : 35n)
    const { manifest } = local.market
    const tokens = manifest.tokens.map((token) => token.address)
    const protocol = await readProtocolLenders(local.chain, manifest, tokens, replica.head.number)
    const offersOf = (token: Address) => [...(protocol.byToken.get(token) ?? []), ...poolOffers(token, replica.pools.values())].filter((offer) => offer.kind === kind)
    const cycles = new CycleIndex([...replica.pools.values()], { maxHops: 3, startTokens: [symbol('USDC'), symbol('WETH')] }).cycles
    const found = cycles
      .flatMap((cycle) => {
        const best = withBestLoan(cycle, replica.pools, offersOf((cycle[0] as (typeof cycle)[number]).tokenIn))
        return best ? [{ cycle, best }] : []
      })
      .sort((a, b) => Number(b.best.profit - a.best.profit))[0]
    if (!found) throw new Error(`nothing pays with ${kind}`)
    const { cycle, best } = found
    const token = (cycle[0] as (typeof cycle)[number]).tokenIn
    const execution = manifest.execution as NonNullable<typeof manifest.execution>
    const data = encodeExecute({
      lender: { kind, address: best.loan.lender, isToken0: best.loan.isToken0 },
      token,
      amount: best.sized.amounts[0] as bigint,
      minProfit: 1n,
      deadline: 4_000_000_000,
      legs: legsOf(cycle, replica.pools).map((leg) => ({ kind: leg.kind, pool: leg.pool, tokenIn: leg.tokenIn, zeroForOne: leg.zeroForOne, feeBps: leg.feeBps })),
    })
    const simulated = await local.chain.simulate({ from: OPERATOR, to: execution.executor, data })
    expect(simulated.error).toBeUndefined()
    const before = await read(token, 'balanceOf', [TREASURY])
    const hash = await rpc<Hex>(local.url, 'eth_sendTransaction', { from: OPERATOR, to: execution.executor, data, gas: toHex(2_000_000) })
    await mined()
    const receipt = await local.chain.receipt(hash)
    expect(receipt?.succeeded).toBe(true)
    expect(transferred(receipt?.logs ?? [], token, execution.executor, TREASURY)).toBe(best.profit)
    expect(await read(token, 'balanceOf', [TREASURY])).toBe(before + best.profit)
    for (const held of tokens) {
      expect(await read(held, 'balanceOf', [execution.executor])).toBe(0n)
      expect(await read(held, 'allowance', [execution.executor, best.loan.lender])).toBe(0n)
    }
    console.log(`${kind}: profit ${best.profit} as predicted, gas ${receipt?.gasUsed}`)
  })
}

test('a loan larger than the lender has fails on chain as it does in the rules', async () => {
  const { manifest } = local.market
  const protocol = await readProtocolLenders(local.chain, manifest, [symbol('USDC')], replica.head.number)
  expect(protocol.byToken.get(symbol('USDC'))?.map((offer) => [offer.kind, offer.rate])).toEqual([
    ['aave-v3', 5n],
    ['balancer-v2', 0n],
  ])
})
