/** A trade on request: the opportunity travels to the executor, the only service that may sign and send, and its answer returns. */
import * as z from 'zod'
import type { Opportunity } from '../arbitrage/index.ts'
import { tokenAmount } from '../mcp/fields.ts'
import type { FleetControl } from '../ports/fleet.ts'
import type { MarketView } from '../ports/market.ts'
import { KintsugiError } from '../std/errors.ts'
import { decodeJson, encodeJson } from '../std/json.ts'
import { nothingPays } from './opportunities.ts'

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

/** Hands an opportunity to the executor; without one, answers that nothing pays. Throws what the executor throws. */
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

const unsigned = z.bigint().nonnegative()
const hex = z.string().regex(/^0x[0-9a-f]+$/)
const schema = z.object({
  id: z.string(),
  block: z.int(),
  blockHash: hex,
  token: hex,
  cycles: z
    .array(
      z.object({
        legs: z
          .array(
            z.object({
              pool: hex,
              kind: z.string(),
              dex: z.string(),
              tokenIn: hex,
              tokenOut: hex,
              venue: z.enum(['pair', 'concentrated', 'vault', 'managed']),
              target: hex,
              feeBps: z.int().min(0).max(9_999),
            }),
          )
          .min(2)
          .max(6),
        amounts: z.array(unsigned),
      }),
    )
    .min(1)
    .max(16),
  loan: z.object({
    kind: z.string(),
    lender: hex,
    token: hex,
    available: unsigned,
    rate: unsigned,
    isToken0: z.boolean(),
  }),
  borrowed: unsigned,
  premium: unsigned,
  profit: unsigned,
})

/** Reads an opportunity that came by wire. Throws `bad-argument` naming the field, `not-found` for a pool that the market does not know. */
export function readOpportunity(text: string, market: MarketView): Opportunity {
  let value: unknown
  try {
    value = decodeJson(text)
  } catch {
    throw new KintsugiError('bad-argument', 'opportunity: expected JSON as this system writes it')
  }
  const parsed = schema.safeParse(value)
  if (!parsed.success)
    throw new KintsugiError(
      'bad-argument',
      `opportunity.${parsed.error.issues[0]?.path.join('.')}: ${parsed.error.issues[0]?.message}`,
    )
  for (const { legs } of parsed.data.cycles) {
    for (const { pool } of legs) {
      if (!market.pools.has(pool as `0x${string}`))
        throw new KintsugiError('not-found', `opportunity: ${pool} is no pool of this market`, {
          hint: 'only pools that the market follows can be traded',
        })
    }
  }
  return parsed.data as unknown as Opportunity
}

const nobody = `0x${'0'.repeat(39)}1` as const
const exampleLeg = {
  pool: nobody,
  kind: 'constant-product' as const,
  dex: 'example',
  tokenIn: nobody,
  tokenOut: nobody,
  venue: 'pair' as const,
  target: nobody,
  feeBps: 30,
}

/** An opportunity in wire format; its pools exist nowhere. */
export const EXAMPLE_OPPORTUNITY = encodeJson({
  id: 'now',
  block: 1,
  blockHash: '0x01',
  token: nobody,
  cycles: [{ legs: [exampleLeg, exampleLeg], amounts: [3n, 2n, 4n] }],
  loan: { kind: 'balancer-v2', lender: nobody, token: nobody, available: 5n, rate: 0n, isToken0: false },
  borrowed: 3n,
  premium: 0n,
  profit: 1n,
} satisfies Opportunity)
