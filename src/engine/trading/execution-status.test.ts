import { expect, test } from 'vitest'
import { SmallMarket, TOKENS } from '../../../test/support/world/market.ts'
import type {
  DecisionRecord,
  Ledger,
  Trade,
  TransactionRecord,
  TransactionStatus,
} from '../../ports/ledger.ts'
import { executionStatus } from './execution-status.ts'

const market = new SmallMarket(() => 0)
const token = TOKENS.WETH
const traded = {
  id: 'opp_1',
  opportunity: { token },
  decision: { verdict: 'trade', rules: [] },
  outcome: { stage: 'sent', reason: '' },
} as unknown as DecisionRecord
const transaction = (status: TransactionStatus) =>
  ({ status, attempts: [{ hash: '0x01' }, { hash: '0x02' }] }) as unknown as TransactionRecord
const trade = {
  outcome: 'as-predicted',
  block: 9,
  hash: '0x02',
  realisedProfit: 7n * 10n ** 17n,
  predictedProfit: 71n * 10n ** 16n,
  gasCost: 5n,
} as unknown as Trade
const statusWith = (parts: { decision?: DecisionRecord; transaction?: TransactionRecord; trade?: Trade }) =>
  executionStatus('opp_1', market, {
    decision: async () => parts.decision,
    transaction: async () => parts.transaction,
    trade: async () => parts.trade,
  } as unknown as Ledger)

test('an unrecorded decision is not found', async () => {
  await expect(statusWith({})).rejects.toMatchObject({ code: 'not-found' })
})

test('a refusal names its stage and reason, and looks no further', async () => {
  const refused = {
    ...traded,
    decision: { ...traded.decision, verdict: 'refuse' },
    outcome: { stage: 'simulation', reason: 'unprofitable (profit 3, needed 5)' },
  } as DecisionRecord
  expect(await statusWith({ decision: refused, transaction: transaction('open') })).toEqual({
    id: 'opp_1',
    state: 'refused',
    summary: 'It was not sent: refused at simulation: unprofitable (profit 3, needed 5).',
    hash: null,
    realisedProfit: null,
    token,
    gasCost: null,
  })
})

test('a booked trade is final, however many came after it', async () => {
  expect(await statusWith({ decision: traded, transaction: transaction('final'), trade })).toEqual({
    id: 'opp_1',
    state: 'final',
    summary: 'as-predicted in block 9: 0.7 WETH realised, 0.71 WETH predicted.',
    hash: '0x02',
    realisedProfit: 7n * 10n ** 17n,
    token,
    gasCost: 5n,
  })
})

test.each([
  ['open', 'in flight'],
  ['final', 'in flight'],
  ['lost', 'lost'],
  ['expired', 'expired'],
  ['replaced', 'replaced'],
] as const)('a transaction that is %s and not booked is %s, by its last attempt', async (status, state) => {
  expect(await statusWith({ decision: traded, transaction: transaction(status) })).toMatchObject({
    state,
    hash: '0x02',
    realisedProfit: null,
  })
})

test('a trade that is booked between the two look-ups is final', async () => {
  expect(await statusWith({ decision: traded, transaction: transaction('open'), trade })).toMatchObject({
    state: 'final',
    realisedProfit: 7n * 10n ** 17n,
  })
})

test('without a transaction its nonce expired: it is not in flight for ever', async () => {
  expect(await statusWith({ decision: traded })).toMatchObject({ state: 'expired', hash: null })
})
