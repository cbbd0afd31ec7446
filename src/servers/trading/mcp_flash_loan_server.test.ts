import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { E18, POOLS, TOKENS } from '../../../test/support/world/market.ts'
import server from './mcp_flash_loan_server.ts'

type Quote = { kind: string }
const kinds = (quotes: Quote[]) => quotes.map(({ kind }) => kind)

test('list_providers: every kind, with what it lends now', async () => {
  const { call, world } = await harness(server)
  const lending = async () => {
    const { providers } = await call('list_providers')
    return providers.map(({ kind, lenders, tokens }: Record<string, unknown>) => [kind, lenders, tokens])
  }
  const protocols = [
    ['aave-v3', 1, ['USDC', 'WETH']],
    ['balancer-v2', 1, ['USDC', 'WETH']],
    ['uniswap-v3', 0, []],
    ['uniswap-v2', 0, []],
  ]
  expect(await lending()).toEqual([...protocols, ['own-capital', 0, []]])
  const capital = { kind: 'own-capital', lender: `0x${'5'.repeat(40)}`, rate: 0n, isToken0: false } as const
  world.loans.all.push({ ...capital, token: TOKENS.USDC, available: 1n })
  expect(await lending()).toEqual([...protocols, ['own-capital', 1, ['USDC']]])
})

test('quote_loan: the cheapest that has the amount', async () => {
  const { call, refusal } = await harness(server)
  // Balancer lends half of what Aave has: 400 of 800 WETH.
  expect((await call('quote_loan', { token: 'ETH', amount: '400 ETH' })).quote).toMatchObject({
    kind: 'balancer-v2',
    premium: { raw: '0' },
    available: { amount: '400 WETH' },
    extraGasUnits: 0,
  })
  // Aave: 5 bps of 600 WETH are 0.3 WETH.
  expect((await call('quote_loan', { token: 'WETH', amount: '600.0' })).quote).toMatchObject({
    kind: 'aave-v3',
    amount: { raw: String(600n * E18) },
    premium: { raw: String(3n * 10n ** 17n), amount: '0.3 WETH' },
    premiumPercent: 0.05,
    repay: { amount: '600.3 WETH' },
    extraGasUnits: 77_000,
  })
  expect(await refusal('quote_loan', { token: 'WETH', amount: '801 WETH' })).toMatchObject({
    code: 'no-loan',
    hint: expect.stringContaining('800 WETH'),
  })
})

test('compare_providers: cheapest first, pages, and who cannot serve it', async () => {
  const { call } = await harness(server)
  const both = await call('compare_providers', { token: 'USDC', amount: '1000 USDC' })
  expect([kinds(both.quotes), both.lowestPremium.raw, both.excludedCount]).toEqual([
    ['balancer-v2', 'aave-v3'],
    '0',
    0,
  ])
  const first = await call('compare_providers', { token: 'USDC', amount: '1000 USDC', limit: 1 })
  expect([kinds(first.quotes), first.total, first.nextOffset]).toEqual([['balancer-v2'], 2, 1])
  const large = await call('compare_providers', { token: 'USDC', amount: '600000 USDC' })
  expect([kinds(large.quotes), large.lowestPremium.amount]).toEqual([['aave-v3'], '300 USDC'])
  expect(large.excluded).toEqual([
    {
      kind: 'balancer-v2',
      lender: `0x${'b'.repeat(40)}`,
      reason: 'has 500,000 USDC, less than 600,000 USDC',
    },
  ])
  expect(await call('compare_providers', { token: 'DAI', amount: '1' })).toMatchObject({
    lowestPremium: null,
    quotes: [],
  })
})

test('plan_loan: a Balancer leg excludes the Balancer loan', async () => {
  const { call, refusal } = await harness(server)
  const loan = { token: 'WETH', amount: '100 WETH', pools: [POOLS.weighted] }
  const locked = await call('plan_loan', { ...loan, usesBalancer: true })
  expect([locked.loan.kind, locked.alternatives, locked.excludedCount]).toEqual(['aave-v3', [], 1])
  expect(locked.excluded[0].reason).toContain('BAL#400')
  const free = await call('plan_loan', loan)
  expect([free.loan.kind, kinds(free.alternatives), free.excluded]).toEqual(['balancer-v2', ['aave-v3'], []])
  expect((await refusal('plan_loan', { ...loan, amount: '900 WETH' })).code).toBe('no-loan')
})
