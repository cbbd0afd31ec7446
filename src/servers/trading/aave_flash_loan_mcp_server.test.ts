import { expect, test } from 'vitest'
import { harness, World } from '../../../test/support/harness.ts'
import { addExecutor } from '../../../test/support/world/executor.ts'
import { E6, E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import type { Address } from '../../amm/index.ts'
import { NO_CLIENT } from '../../mcp/elicitation.ts'
import server from './aave_flash_loan_mcp_server.ts'

const { USDC, WETH } = TOKENS

const addressOf = ({ market }: World, symbol: string) => market.token(symbol).address

/** Moves both pools of the pair to one price and empties the third, so that nothing pays. */
function closeGap({ market }: World): void {
  market.replace({ ...market.pool(POOLS.wethUsdcDear), reserves: [1_000_000n * E6, 500n * E18] } as never)
  market.replace({ ...market.pool(POOLS.concentrated), liquidity: 0n, ticks: [] } as never)
}

test('calculate: borrows from Aave for its premium, and what is left after gas', async () => {
  const { call, world } = await harness(server)
  // Read before the replay below moves the pools.
  const prices = new Map([...Object.values(TOKENS)].map((each) => [each, world.market.price(each)]))
  const priceOf = (each: Address) => prices.get(each) ?? Number.NaN
  // No leg on Balancer, so that Balancer could lend for nothing.
  for (const pool of [POOLS.stable, POOLS.weighted]) world.market.pools.delete(pool)
  const { best } = await call('calculate_flash_loan_opportunity')
  const { lender, borrowed, premium, profit, cycles } = best.opportunity
  expect(lender).toBe('aave-v3')
  // 5 bps, rounded half up.
  expect(BigInt(premium.raw)).toBe((BigInt(borrowed.raw) * 5n + 5_000n) / 10_000n)
  // The cycles, replayed on the market one after another, earn the premium and the profit.
  let balance = BigInt(borrowed.raw)
  for (const { route, amountIn } of cycles) {
    let moved = BigInt(amountIn.raw)
    expect(moved).toBeLessThanOrEqual(balance)
    balance -= moved
    for (const { pool, tokenIn, tokenOut } of route)
      moved = world.market.swap(pool, addressOf(world, tokenIn), addressOf(world, tokenOut), moved)
    balance += moved
  }
  expect(balance).toBe(BigInt(borrowed.raw) + BigInt(premium.raw) + BigInt(profit.raw))
  const gas = best.gasUnits * 30e-9
  const { address, decimals } = world.market.token(best.opportunity.token)
  const value = (Number(profit.raw) / 10 ** decimals) * priceOf(address)
  expect(best.netNative).toBe(Number((value / priceOf(TOKENS.WMATIC) - gas).toPrecision(6)))
  closeGap(world)
  expect(await call('calculate_flash_loan_opportunity', { token: 'WETH' })).toEqual({
    block: 100,
    best: null,
  })
})

test('calculate: of one token, whether it is the best or not', async () => {
  const { call } = await harness(server)
  for (const token of ['USDC', 'WETH'])
    expect((await call('calculate_flash_loan_opportunity', { token })).best?.opportunity.token ?? token).toBe(
      token,
    )
})

test('get_aave_pool_liquidity: what Aave lends, largest value first', async () => {
  const { call, world } = await harness(server)
  const { pool, reserves, total } = await call('get_aave_pool_liquidity')
  expect([pool, total]).toEqual([`0x${'d'.repeat(40)}`, 2])
  expect(reserves[0]).toMatchObject({
    token: 'WETH',
    available: { amount: '800 WETH' },
    value: expect.closeTo(800 * (world.market.price(WETH) as number), -1),
    premiumPercent: 0.05,
  })
  const usdc = await call('get_aave_pool_liquidity', { token: 'USDC' })
  expect(usdc.reserves).toMatchObject([
    { address: USDC, available: { raw: '1000000000000' }, value: 1_000_000 },
  ])
})

test('simulate_flash_loan: the premium to the unit, and whether the pool has it', async () => {
  const { call, refusal } = await harness(server)
  expect(await call('simulate_flash_loan', { token: 'USDC', amount: '1000 USDC' })).toMatchObject({
    possible: true,
    reason: null,
    premium: { raw: '500000', amount: '0.5 USDC' },
    repay: { amount: '1,000.5 USDC' },
  })
  expect(await call('simulate_flash_loan', { token: 'ETH', amount: '801 ETH' })).toMatchObject({
    possible: false,
    reason: 'the pool has 800 WETH, less than 801 WETH',
  })
  expect((await refusal('simulate_flash_loan', { token: 'DAI', amount: '1' })).code).toBe('no-loan')
})

test('execute_flash_loan_arbitrage: the executor receives an opportunity with an Aave loan', async () => {
  const { call, world } = await harness(server)
  addExecutor(world)
  const dry = await call('execute_flash_loan_arbitrage', { dryRun: true })
  expect(dry).toMatchObject({ sent: false, hash: null, verdict: 'trade' })
  const real = await call('execute_flash_loan_arbitrage')
  expect(real).toMatchObject({ sent: true, id: dry.id, profit: dry.profit })
  expect(world.fleet.orders.at(-1)).toEqual([
    'call',
    'transaction_executor',
    'execute_opportunity',
    { dryRun: false, opportunity: expect.stringContaining('aave-v3') },
  ])
  closeGap(world)
  expect(await call('execute_flash_loan_arbitrage')).toMatchObject({ sent: false, verdict: 'nothing-pays' })
  expect(world.fleet.orders).toHaveLength(2)
})

test('monitor_opportunities: the present block and those of the time, with progress', async () => {
  const { call, world } = await harness(server)
  const progress: unknown[] = []
  const conversation = { ...NO_CLIENT, progress: (...report: unknown[]) => void progress.push(report) }
  const monitored = call('monitor_opportunities', { seconds: 3, limit: 1 }, { conversation })
  await Promise.resolve()
  world.mine()
  closeGap(world)
  world.mine()
  const { blocks, total, opportunities } = await monitored
  expect([blocks, progress.length]).toEqual([2, 2])
  expect(total).toBeGreaterThanOrEqual(2)
  expect(opportunities).toMatchObject([{ block: 101, lender: 'aave-v3' }])
  const quiet = call('monitor_opportunities', { seconds: 1 })
  await Promise.resolve()
  world.mine()
  expect(await quiet).toEqual({ blocks: 1, total: 0, opportunities: [] })
})

test('a chain without Aave: not available', async () => {
  const world = new World()
  delete (world.market.manifest as { aave?: unknown }).aave
  const { refusal } = await harness(server, { world })
  for (const tool of ['calculate_flash_loan_opportunity', 'get_aave_pool_liquidity', 'monitor_opportunities'])
    expect([tool, (await refusal(tool)).code]).toEqual([tool, 'not-available'])
})

test('resources: reserves, opportunities, and the trades that borrowed from Aave', async () => {
  const { world, ports } = await harness(server)
  const scope = { ...ports, state: undefined as never, now: world.now }
  const read = async (uri: string) => (await server.resources?.[uri]?.read(scope)) as Record<string, never[]>
  expect((await read('aave://flash-loan-status')).reserves).toHaveLength(2)
  expect((await read('aave://opportunities')).opportunities).toMatchObject([{ lender: 'aave-v3' }])
  const decision = await world.decide()
  await world.book(decision, { lender: 'aave-v3', nonce: 1, gasCost: 10n ** 16n })
  await world.book(decision, { lender: 'balancer-v2', nonce: 2 })
  expect((await read('aave://execution-history')).trades).toMatchObject([
    { outcome: 'as-predicted', gasCost: { amount: '0.01 WMATIC' } },
  ])
})
