/** The ten best cycles of the real market at block 18806161, each executed on chain with pools set to those reserves. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { encodeFunctionData } from 'viem'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Address } from '../src/amm/index.ts'
import { withBestLoan } from '../src/arbitrage/index.ts'
import { readMarket } from '../src/cli/market.ts'
import { transferred } from '../src/engine/books/booking.ts'
import type { MarketReplica } from '../src/engine/market/replica.ts'
import { poolOffers, readOwnCapital, readProtocolLenders } from '../src/engine/trading/loan-reader.ts'
import type { LoanOffer } from '../src/flash/index.ts'
import { MarketSearch, walkCycle } from '../src/graph/index.ts'
import { own } from '../src/localnet/artifacts.ts'
import { snapshotMarket } from '../src/localnet/market.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import type { Hex, Receipt } from '../src/ports/chain.ts'
import {
  followMarket,
  OPERATOR,
  planCall,
  startTestChain,
  type TestChain,
  TREASURY,
} from './support/local-chain.ts'

const file = join(import.meta.dirname, '../../shared/data/mainnet-18806161.json')
const there = existsSync(file)
if (!there) console.log(`skipped: the ten best cycles, since ${file} does not exist`)

const BUILDER = '0x00000000000000000000000000000000000b0001'

/** Funds the treasury for the cycle, and approves the contract. */
async function ownCapital(
  local: TestChain,
  token: Address,
  executor: Address,
  needed: bigint,
): Promise<LoanOffer> {
  await rpc(local.url, 'anvil_impersonateAccount', TREASURY)
  await rpc(local.url, 'anvil_setBalance', TREASURY, toHex(10n ** 18n))
  const mint = encodeFunctionData({
    abi: own('LocalToken').abi,
    functionName: 'mint',
    args: [TREASURY, needed],
  })
  const approve = encodeFunctionData({
    abi: own('LocalToken').abi,
    functionName: 'approve',
    args: [executor, needed],
  })
  await rpc(local.url, 'eth_sendTransaction', { from: BUILDER, to: token, data: mint })
  await rpc(local.url, 'eth_sendTransaction', { from: TREASURY, to: token, data: approve })
  await rpc(local.url, 'evm_mine')
  const head = await local.chain.block('latest')
  const [capital] = await readOwnCapital(local.chain, local.market.manifest, [token], head.number)
  if (!capital) throw new Error('the treasury has nothing')
  return capital
}

describe.runIf(there)('mainnet at block 18806161', () => {
  let local: TestChain
  let replica: MarketReplica

  beforeAll(async () => {
    local = await startTestChain(snapshotMarket(readMarket(file)))
    replica = await followMarket(local)
    await rpc(local.url, 'anvil_impersonateAccount', OPERATOR)
  })
  afterAll(() => local?.stop())

  test('every pool on the local chain is the pool of the file', () => {
    const byReference = new Map(local.market.manifest.pools.map((pool) => [pool.reference, pool.address]))
    const { pools } = readMarket(file)
    for (const pool of pools) {
      const built = replica.pools.get(byReference.get(pool.address) as Address)
      expect(built?.kind, pool.address).toBe(pool.kind)
      if (built?.kind === 'constant-product') expect(built.reserves).toEqual((pool as typeof built).reserves)
      if (built?.kind === 'concentrated')
        expect([built.sqrtPriceX96, built.liquidity]).toEqual([
          (pool as typeof built).sqrtPriceX96,
          (pool as typeof built).liquidity,
        ])
      if (built?.kind === 'weighted')
        expect([built.balances, built.weights, built.scalingFactors]).toEqual([
          (pool as typeof built).balances,
          (pool as typeof built).weights,
          (pool as typeof built).scalingFactors,
        ])
    }
    expect(replica.pools.size).toBe(pools.length)
  })

  test('the ten best cycles of the scan earn its profit on chain, to the unit', async () => {
    const market = readMarket(file)
    const { manifest } = local.market
    // The present states: each execution is reverted on the chain, which the replica may not have seen.
    const pools = new Map(replica.pools)
    const scan = new MarketSearch(market.pools, { maxHops: 4, startTokens: [manifest.wrappedNative] })
    const prices = replica.prices()
    scan.setValues({ get: (token) => prices.get(token)?.rate })
    scan.search()
    const best = scan.best(10)
    expect(best).toHaveLength(10)
    const addressOf = new Map(manifest.pools.map((pool) => [pool.reference, pool.address]))
    const protocol = await readProtocolLenders(
      local.chain,
      manifest,
      manifest.tokens.map((token) => token.address),
      replica.head.number,
    )
    const { executor } = manifest.execution as { executor: Address }
    let executed = 0
    for (const { hops, amounts, grossProfit } of best) {
      const cycle = hops.map((hop) => ({ ...hop, pool: addressOf.get(hop.pool) as Address }))
      // The same amounts on the pools of the local chain as on those of the file.
      expect(walkCycle(cycle, pools, amounts[0] as bigint)?.amounts).toEqual(amounts)
      const token = (cycle[0] as (typeof cycle)[number]).tokenIn
      const offers = [...(protocol.byToken.get(token) ?? []), ...poolOffers(token, pools.values())]
      // If only the vault that the route trades in lends the token, own capital is used.
      const plan =
        withBestLoan(cycle, pools, offers) ??
        withBestLoan(cycle, pools, [await ownCapital(local, token, executor, amounts[0] as bigint)])
      if (!plan) throw new Error(`nothing pays for ${cycle.map((hop) => hop.pool).join()}`)
      const data = planCall(plan, pools)
      const before = await rpc<Hex>(local.url, 'evm_snapshot')
      const hash = await rpc<Hex>(local.url, 'eth_sendTransaction', {
        from: OPERATOR,
        to: executor,
        data,
        gas: toHex(3_000_000),
      })
      await rpc(local.url, 'evm_mine')
      const receipt = (await local.chain.receipt(hash)) as Receipt
      expect(receipt.succeeded).toBe(true)
      expect(transferred(receipt.logs, token, executor, TREASURY)).toBe(plan.profit)
      // The search and the sizing with a loan use different methods: they differ by less than a billionth.
      if (plan.premium === 0n)
        expect(Number(plan.profit - grossProfit) / Number(grossProfit)).toBeCloseTo(0, 8)
      executed++
      await rpc(local.url, 'evm_revert', before)
      console.log(
        `${executed}: ${plan.profit} of ${manifest.tokens.find((item) => item.address === token)?.symbol} over ${cycle.length} pools, ${plan.loan.kind}, as predicted`,
      )
    }
    expect(executed).toBe(10)
  })
})
