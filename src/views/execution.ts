/**
 * A trade on request: the opportunity travels to the executor, the only service that may sign and send, and
 * its answer returns.
 */
import * as z from 'zod'
import type { Address, PoolKind } from '../amm/index.ts'
import {
  type Leg,
  legsOf,
  type Opportunity,
  type PlannedCycle,
  type Venue,
  weiText,
} from '../arbitrage/index.ts'
import { EXECUTION_STATES, type ExecutionStatus } from '../engine/trading/execution-status.ts'
import type { LenderKind, LoanOffer } from '../flash/index.ts'
import { rounded, tokenAmount } from '../mcp/fields.ts'
import type { FleetControl } from '../ports/fleet.ts'
import type { Ledger, PaperTotals, TradeTotals } from '../ports/ledger.ts'
import type { MarketView } from '../ports/market.ts'
import { KintsugiError } from '../std/errors.ts'
import { decodeJson, encodeJson } from '../std/json.ts'
import { NOBODY } from './examples.ts'
import { nothingPays } from './opportunities.ts'
import { native } from './profit.ts'
import { view } from './view.ts'

/** The agent that executes. */
export const EXECUTOR = 'transaction_executor'

/** The outcome of a requested trade. */
export const executionAnswer = z.object({
  sent: z.boolean(),
  id: z
    .string()
    .nullable()
    .describe('the decision, for explain_opportunity and execution_status; null where nothing pays'),
  hash: z.string().nullable().describe('the transaction, where one was sent'),
  verdict: z.enum(['trade', 'refuse', 'nothing-pays']),
  reasons: z.array(z.string()).describe('why it was not sent'),
  profit: tokenAmount().nullable().describe('promised after the premium, before gas'),
  simulation: z
    .object({
      succeeded: z.boolean(),
      gasUsed: z.int().describe('gas units'),
      profit: tokenAmount(),
      error: z.string().optional(),
    })
    .nullable(),
})

/** The executor's answer; amounts as text, as they came. */
export type ExecutionAnswer = z.input<typeof executionAnswer>

/** The state of one trade. */
export const executionState = view(
  z.object({
    id: z.string().describe('the decision'),
    state: z.enum(EXECUTION_STATES),
    summary: z.string(),
    hash: z.string().nullable().describe('the transaction; null if none was sent'),
    realisedProfit: tokenAmount()
      .nullable()
      .describe('after the premium, before gas; null until it is final'),
    gasCost: z.string().nullable().describe('in the native coin; null until it is final'),
  }),
  ({ token, realisedProfit, gasCost, ...status }: ExecutionStatus, market: MarketView) => ({
    ...status,
    realisedProfit: realisedProfit === null ? null : market.amount(token, realisedProfit),
    gasCost: gasCost === null ? null : weiText(gasCost, market.manifest.nativeSymbol),
  }),
)

/** What the executor booked. */
export const executionSummary = view(
  z.object({
    native: native(),
    inFlight: z.int().describe('transactions that are not final yet'),
    tradesBooked: z.int().describe('final transactions, failed ones included'),
    profitable: z.int().describe('number of trades that earned'),
    profitBooked: z.array(tokenAmount()).describe('realised after premiums, before gas, by token'),
    gasNative: z.number().describe('gas of all transactions, failed ones included, in whole native coins'),
    netNative: z.number().describe('realised profit less gas, in whole native coins as valued at booking'),
    outcomes: z.record(z.string(), z.number()).describe('share of the trades by outcome, 0 to 1'),
    paper: z
      .object({
        trades: z.int(),
        netNative: z.number().describe('net of gas, in whole native coins'),
        outcomes: z.record(z.string(), z.int()).describe('number of trades by outcome'),
      })
      .describe('trades on paper, which were not sent'),
  }),
  (inFlight: number, totals: TradeTotals, paper: PaperTotals, market: MarketView) => {
    const gasNative = Number(totals.gasBooked) / 1e18
    return {
      native: market.manifest.nativeSymbol,
      inFlight,
      tradesBooked: totals.tradesBooked,
      profitable: totals.profitable,
      profitBooked: Object.entries(totals.profitBooked).map(([token, amount]) =>
        market.amount(token as Address, amount),
      ),
      gasNative: rounded(gasNative),
      netNative: rounded(totals.profitNative - gasNative),
      outcomes: Object.fromEntries(
        Object.entries(totals.outcomes).map(([name, count]) => [name, rounded(count / totals.tradesBooked)]),
      ),
      paper: { ...paper, netNative: rounded(paper.netNative / 1e18) },
    }
  },
)

/**
 * Hands an opportunity to the executor; without one, answers that nothing pays. Throws what the executor
 * throws.
 */
export async function executeOpportunity(
  fleet: FleetControl,
  market: MarketView,
  found: Opportunity | undefined,
  dryRun: boolean,
  signal: AbortSignal,
): Promise<z.output<typeof executionAnswer>> {
  if (!found)
    return {
      sent: false,
      id: null,
      hash: null,
      verdict: 'nothing-pays',
      reasons: [nothingPays(market)],
      profit: null,
      simulation: null,
    }
  const answer = await fleet.call({
    service: EXECUTOR,
    tool: 'execute_opportunity',
    arguments: { opportunity: encodeJson(found), dryRun },
    signal,
  })
  return executionAnswer.parse(answer)
}

/**
 * A schema for each field of `T`, the optional ones included: a field that is added to `T` does not compile
 * until it is read.
 */
type SchemasOf<T> = { readonly [K in keyof T]-?: z.ZodType<T[K]> }
/** Each member of a union under its own name, so that none can be missing. */
type Members<K extends string> = { readonly [Name in K]: Name }

const unsigned = z.bigint().nonnegative()
const hex = z.custom<Address>((value) => typeof value === 'string' && /^0x[0-9a-f]+$/.test(value), {
  error: 'expected lower-case hexadecimal digits after 0x',
})
const POOL_KINDS: Members<PoolKind> = {
  'constant-product': 'constant-product',
  concentrated: 'concentrated',
  weighted: 'weighted',
  stable: 'stable',
}
const LENDER_KINDS: Members<LenderKind> = {
  'aave-v3': 'aave-v3',
  'balancer-v2': 'balancer-v2',
  'uniswap-v3': 'uniswap-v3',
  'uniswap-v2': 'uniswap-v2',
  'own-capital': 'own-capital',
}
const VENUES: Members<Venue> = {
  pair: 'pair',
  concentrated: 'concentrated',
  vault: 'vault',
  managed: 'managed',
}

const legSchema = z.object({
  pool: hex,
  kind: z.enum(POOL_KINDS),
  dex: z.string(),
  tokenIn: hex,
  tokenOut: hex,
  venue: z.enum(VENUES),
  target: hex,
  feeBps: z.int().min(0).max(9_999),
  feePips: z.int().min(0).max(999_999).exactOptional(),
} satisfies SchemasOf<Leg>)

const cycleSchema = z.object({
  legs: z.array(legSchema).min(2).max(6),
  amounts: z.array(unsigned),
} satisfies SchemasOf<PlannedCycle>)

const loanSchema = z.object({
  kind: z.enum(LENDER_KINDS),
  lender: hex,
  token: hex,
  available: unsigned,
  rate: unsigned,
  isToken0: z.boolean(),
} satisfies SchemasOf<LoanOffer>)

/** `follows` is not read: a trade on request is judged and sent alone, on the state that the chain has. */
const opportunitySchema = z.object({
  id: z.string(),
  block: z.int(),
  blockHash: hex,
  token: hex,
  cycles: z.array(cycleSchema).min(1).max(16),
  loan: loanSchema,
  borrowed: unsigned,
  premium: unsigned,
  profit: unsigned,
} satisfies SchemasOf<Omit<Opportunity, 'follows'>>)

/**
 * Reads an opportunity that came by wire. Throws `bad-argument` naming the field, `not-found` for a pool that
 * the market does not know.
 */
export function readOpportunity(text: string, market: MarketView): Opportunity {
  let value: unknown
  try {
    value = decodeJson(text)
  } catch {
    throw new KintsugiError('bad-argument', 'opportunity: expected JSON as this system writes it')
  }
  const parsed = opportunitySchema.safeParse(value)
  if (!parsed.success)
    throw new KintsugiError(
      'bad-argument',
      `opportunity.${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
    )
  for (const { legs } of parsed.data.cycles) {
    for (const { pool } of legs) {
      if (!market.pools.has(pool))
        throw new KintsugiError('not-found', `opportunity: ${pool} is no pool of this market`, {
          hint: 'only pools that the market follows can be traded',
        })
    }
  }
  return parsed.data
}

/**
 * An opportunity in wire format for examples: that of the newest decision, or else a round trip through a
 * pool of this market, which the executor refuses.
 */
export const anOpportunity = <A extends object>(more: A) => ({
  shown: { opportunity: '<an opportunity as this system writes it>', ...more },
  find: async ({ ledger, market }: { ledger: Pick<Ledger, 'decisions'>; market: MarketView }) => {
    const [newest] = await ledger.decisions({ limit: 1 })
    const known = newest?.opportunity.cycles.every(({ legs }) =>
      legs.every(({ pool }) => market.pools.has(pool)),
    )
    return { opportunity: encodeJson(known && newest ? newest.opportunity : roundTrip(market)), ...more }
  },
})

/** Into a pool and back: it costs the fee twice. */
function roundTrip({ pools, head }: MarketView): Opportunity {
  const [pool] = pools.values()
  const [there, back] = pool?.tokens ?? []
  if (!pool || !there || !back) throw new KintsugiError('not-available', 'this market has no pool')
  const hops = [
    { pool: pool.address, tokenIn: there, tokenOut: back },
    { pool: pool.address, tokenIn: back, tokenOut: there },
  ]
  const loan = {
    kind: 'balancer-v2',
    lender: NOBODY,
    token: there,
    available: 1n,
    rate: 0n,
    isToken0: false,
  } as const
  return {
    id: 'now',
    block: head.number,
    blockHash: head.hash,
    token: there,
    cycles: [{ legs: legsOf(hops, pools), amounts: [1n, 0n, 0n] }],
    loan,
    borrowed: 1n,
    premium: 0n,
    profit: 0n,
  }
}
