/** All four lenders with the real contracts: the realised profit equals the predicted one, to the unit. */
import { encodeFunctionData, parseAbi } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, type Pool, virtualReserves } from '../src/amm/index.ts'
import { type Financed, finance, withBestLoan } from '../src/arbitrage/index.ts'
import { transferred } from '../src/engine/books/booking.ts'
import type { MarketReplica } from '../src/engine/market/replica.ts'
import { poolOffers, readOwnCapital, readProtocolLenders } from '../src/engine/trading/loan-reader.ts'
import { cyclesOf, MarketSearch, planCycles } from '../src/graph/index.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import { localSwap } from '../src/localnet/traders.ts'
import type { Hex, Receipt } from '../src/ports/chain.ts'
import {
  followMarket,
  OPERATOR,
  planCall,
  startTestChain,
  type TestChain,
  TREASURY,
} from './support/local-chain.ts'

const erc20 = parseAbi([
  'function balanceOf(address) view returns (uint256)',
  'function allowance(address,address) view returns (uint256)',
])
let local: TestChain
let replica: MarketReplica

beforeAll(async () => {
  local = await startTestChain()
  replica = await followMarket(local)
  await rpc(local.url, 'anvil_impersonateAccount', OPERATOR)
})
afterAll(() => local?.stop())

const symbol = (name: string) =>
  local.market.manifest.tokens.find((token) => token.symbol === name)?.address as Address
const read = async (to: Address, functionName: 'balanceOf' | 'allowance', args: readonly Address[]) =>
  BigInt(
    await local.chain.call(
      { to, data: encodeFunctionData({ abi: erc20, functionName, args: args as never }) },
      'latest',
    ),
  )

async function mined(): Promise<void> {
  await rpc(local.url, 'evm_mine')
  const head = await local.chain.block('latest')
  await expect.poll(() => replica.head.number, { timeout: 5_000 }).toBe(head.number)
}

/** Someone buys a lot in one pool, and a gap opens. */
async function openGap(share: bigint): Promise<void> {
  const pool = [...replica.pools.values()].find(
    (candidate) =>
      candidate.kind === 'constant-product' &&
      candidate.dex === 'quickswap' &&
      candidate.tokens.includes(symbol('WETH')) &&
      candidate.tokens.includes(symbol('USDC')),
  )
  if (pool?.kind !== 'constant-product') throw new Error('no such pool')
  const zeroForOne = replica.head.number % 2 === 0
  const [tokenIn, tokenOut] = zeroForOne ? pool.tokens : [pool.tokens[1], pool.tokens[0]]
  const args = [
    localSwap(pool, { pool: pool.address, tokenIn, tokenOut }),
    pool.reserves[zeroForOne ? 0 : 1] / share,
    0n,
  ]
  const data = encodeFunctionData({ abi: own('LocalTrader').abi, functionName: 'swap', args })
  await rpc(local.url, 'eth_sendTransaction', {
    from: '0x00000000000000000000000000000000000b0001',
    to: local.market.trader,
    data,
    gas: toHex(2_000_000),
  })
  await mined()
}

/** Simulates, sends and checks: the profit is the predicted one to the unit, and the contract holds nothing. */
async function execute(plan: Financed): Promise<Receipt> {
  const { manifest } = local.market
  const { executor } = manifest.execution as { executor: Address }
  const token = plan.loan.token
  const data = planCall(plan, replica.pools)
  const [simulated] = await local.chain.simulate([{ from: OPERATOR, to: executor, data }], 'pending')
  expect(simulated?.error).toBeUndefined()
  const before = await read(token, 'balanceOf', [TREASURY])
  const hash = await rpc<Hex>(local.url, 'eth_sendTransaction', {
    from: OPERATOR,
    to: executor,
    data,
    gas: toHex(5_000_000),
  })
  await mined()
  const receipt = (await local.chain.receipt(hash)) as Receipt
  expect(receipt?.succeeded).toBe(true)
  expect(transferred(receipt.logs, token, executor, TREASURY)).toBe(plan.profit)
  expect(await read(token, 'balanceOf', [TREASURY])).toBe(before + plan.profit)
  for (const held of manifest.tokens) expect(await read(held.address, 'balanceOf', [executor])).toBe(0n)
  return receipt
}

/** A large trade in one pool of a kind, so that the cycle that closes the gap goes through it. */
async function push(pool: Pool, share: bigint): Promise<void> {
  const [tokenIn, tokenOut] = [pool.tokens[0], pool.tokens[1]] as [Address, Address]
  const amountIn = BigInt(Math.floor(virtualReserves(pool, tokenIn, tokenOut)[0])) / share
  const data = encodeFunctionData({
    abi: own('LocalTrader').abi,
    functionName: 'swap',
    args: [localSwap(pool, { pool: pool.address, tokenIn, tokenOut }), amountIn, 0n],
  })
  await rpc(local.url, 'eth_sendTransaction', {
    from: '0x00000000000000000000000000000000000b0001',
    to: local.market.trader,
    data,
    gas: toHex(2_000_000),
  })
  await mined()
}

for (const kind of ['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2'] as const) {
  test(`${kind}: predicted equals realised, and the contract keeps nothing`, async () => {
    await openGap(kind === 'aave-v3' ? 40n : 35n)
    const { manifest } = local.market
    const tokens = manifest.tokens.map((token) => token.address)
    const protocol = await readProtocolLenders(local.chain, manifest, tokens, replica.head.number)
    const offersOf = (token: Address) =>
      [...(protocol.byToken.get(token) ?? []), ...poolOffers(token, replica.pools.values())].filter(
        (offer) => offer.kind === kind,
      )
    const cycles = cyclesOf(replica.pools.values(), {
      maxHops: 3,
      startTokens: [symbol('USDC'), symbol('WETH')],
    })
    const found = cycles
      .flatMap((cycle) => {
        const best = withBestLoan(
          cycle,
          replica.pools,
          offersOf((cycle[0] as (typeof cycle)[number]).tokenIn),
        )
        return best ? [{ cycle, best }] : []
      })
      .sort((a, b) => Number(b.best.profit - a.best.profit))[0]
    if (!found) throw new Error(`nothing pays with ${kind}`)
    const { best } = found
    const receipt = await execute(best)
    for (const held of tokens) {
      expect(
        await read(held, 'allowance', [
          (manifest.execution as { executor: Address }).executor,
          best.loan.lender,
        ]),
      ).toBe(0n)
    }
    console.log(`${kind}: profit ${best.profit} as predicted, gas ${receipt?.gasUsed}`)
  })
}

test('a loan beyond the liquidity of the lender fails on chain as in the rules', async () => {
  const { manifest } = local.market
  const protocol = await readProtocolLenders(local.chain, manifest, [symbol('USDC')], replica.head.number)
  expect(protocol.byToken.get(symbol('USDC'))?.map((offer) => [offer.kind, offer.rate])).toEqual([
    ['aave-v3', 5n],
    ['balancer-v2', 0n],
  ])
})

const everyKind: Record<string, (pool: Pool) => boolean> = {
  'a pair': (pool) => pool.kind === 'constant-product',
  'Uniswap V3': (pool) => pool.kind === 'concentrated' && pool.engine === undefined,
  Algebra: (pool) => pool.kind === 'concentrated' && pool.engine === 'algebra',
  'Uniswap V4': (pool) => pool.kind === 'concentrated' && pool.engine === 'uniswap-v4' && !pool.native,
  'Uniswap V4 with the native coin': (pool) => pool.kind === 'concentrated' && pool.native === true,
  'a weighted pool': (pool) => pool.kind === 'weighted',
  'a stable pool': (pool) => pool.kind === 'stable',
}
for (const [name, belongs] of Object.entries(everyKind)) {
  test(`a leg in ${name} executes as predicted, and a Balancer leg never with a Balancer loan`, async () => {
    const pool = [...replica.pools.values()].find(belongs) as Pool
    await push(pool, pool.kind === 'stable' ? 4n : 25n)
    const { manifest } = local.market
    const protocol = await readProtocolLenders(
      local.chain,
      manifest,
      manifest.tokens.map((token) => token.address),
      replica.head.number,
    )
    const offersOf = (token: Address) => [
      ...(protocol.byToken.get(token) ?? []),
      ...poolOffers(token, replica.pools.values()),
    ]
    const search = new MarketSearch(replica.pools.values(), { maxHops: 3, startTokens: manifest.startTokens })
    search.setValues({ get: (token) => replica.prices().get(token)?.rate })
    search.search()
    const plans = search.top(200).flatMap(({ index }) => {
      const cycle = search.cycle(index)
      return cycle.some((hop) => hop.pool === pool.address)
        ? (withBestLoan(cycle, replica.pools, offersOf((cycle[0] as { tokenIn: Address }).tokenIn)) ?? [])
        : []
    })
    const plan = plans[0]
    if (!plan) throw new Error(`nothing pays through ${pool.address}`)
    if (pool.kind === 'weighted' || pool.kind === 'stable') expect(plan.loan.kind).not.toBe('balancer-v2')
    const receipt = await execute(plan)
    console.log(`${name}: ${plan.cycles[0]?.hops.length} legs, ${plan.loan.kind}, gas ${receipt.gasUsed}`)
  })
}

test('several cycles in one transaction earn the profit of the plan to the unit, and more than its best cycle', async () => {
  const pool = [...replica.pools.values()].find(
    (candidate) =>
      candidate.dex === 'uniswap_v3' &&
      candidate.tokens.includes(symbol('WETH')) &&
      candidate.tokens.includes(symbol('USDC')),
  ) as Pool
  await push(pool, 12n)
  const search = new MarketSearch(replica.pools.values(), { maxHops: 3, startTokens: [symbol('USDC')] })
  search.setValues({ get: (token) => replica.prices().get(token)?.rate })
  search.search()
  const plan = planCycles(search, { maxCycles: 4, worth: () => 0, startToken: symbol('USDC') })
  expect(plan.length).toBeGreaterThan(1)
  const protocol = await readProtocolLenders(
    local.chain,
    local.market.manifest,
    [symbol('USDC')],
    replica.head.number,
  )
  const financed = finance(plan, replica.pools, protocol.byToken.get(symbol('USDC')) ?? []) as Financed
  expect(financed.profit).toBeGreaterThan(search.best(1)[0]?.grossProfit ?? 0n)
  await execute(financed)
})

test('own capital costs nothing, needs an allowance of the treasury, and is returned', async () => {
  const pool = [...replica.pools.values()].find(
    (candidate) =>
      candidate.dex === 'sushiswap' &&
      candidate.tokens.includes(symbol('WETH')) &&
      candidate.tokens.includes(symbol('USDC')),
  ) as Pool
  await push(pool, 20n)
  const search = new MarketSearch(replica.pools.values(), {
    maxHops: 3,
    startTokens: [symbol('USDC')],
    onlyStartTokens: true,
  })
  search.setValues({ get: (token) => replica.prices().get(token)?.rate })
  search.search()
  const best = search.best(1)
  const { executor } = local.market.manifest.execution as { executor: Address }
  await rpc(local.url, 'anvil_impersonateAccount', TREASURY)
  await rpc(local.url, 'anvil_setBalance', TREASURY, toHex(10n ** 18n))
  const approve = encodeFunctionData({
    abi: parseAbi(['function approve(address,uint256)']),
    functionName: 'approve',
    args: [executor, best[0]?.amounts[0] ?? 0n],
  })
  const mint = encodeFunctionData({
    abi: own('LocalToken').abi,
    functionName: 'mint',
    args: [TREASURY, best[0]?.amounts[0] ?? 0n],
  })
  await rpc(local.url, 'eth_sendTransaction', {
    from: '0x00000000000000000000000000000000000b0001',
    to: symbol('USDC'),
    data: mint,
  })
  await rpc(local.url, 'eth_sendTransaction', { from: TREASURY, to: symbol('USDC'), data: approve })
  await mined()
  const [capital] = await readOwnCapital(
    local.chain,
    local.market.manifest,
    [symbol('USDC')],
    replica.head.number,
  )
  expect(capital).toMatchObject({ kind: 'own-capital', lender: TREASURY, available: best[0]?.amounts[0] })
  const financed = finance(best, replica.pools, [
    ...poolOffers(symbol('USDC'), replica.pools.values()),
    capital as NonNullable<typeof capital>,
  ]) as Financed
  expect([financed.loan.kind, financed.premium]).toEqual(['own-capital', 0n])
  await execute(financed)
})
