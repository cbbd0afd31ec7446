/** The Aave V3 lender, read from its pool: premium, flags and liquidity, what its loans would earn now, and the trade itself. */

import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { findToken, humanValue, tokenAt } from '../../engine/market/tokens.ts'
import { findOpportunities, nativeNumbers } from '../../engine/trading/opportunities.ts'
import { premium } from '../../flash/index.ts'
import { type Context, defineServer } from '../../mcp/define.ts'
import { address, limit, textAmount, token } from '../../mcp/fields.ts'
import type { MarketView } from '../../ports/market.ts'
import type { LoanMarket } from '../../ports/ports.ts'
import { KintsugiError } from '../../std/errors.ts'
import { executeOpportunity, executionAnswer } from '../../views/execution.ts'
import { opportunity } from '../../views/opportunities.ts'

const maxHops = z.int().min(2).max(4).default(3).describe('longest cycle, in pools')

const reserve = z.object({
  token: z.string(),
  address: address(),
  available: textAmount().describe('what a flash loan can take now'),
  value: z.number().nullable().describe('the same in quote units'),
  premiumPercent: z.number(),
})

/** Aave's pool, or the error that says it is not there. */
function aavePool(market: MarketView) {
  const { aave, network } = market.manifest
  if (!aave)
    throw new KintsugiError('not-available', `${network}: no Aave V3 pool is known here`, {
      hint: 'a chain profile names it; list_providers of mcp_flash_loan_server shows who lends',
    })
  return aave
}

function reservesOf(market: MarketView, loans: LoanMarket): z.output<typeof reserve>[] {
  const { manifest } = market
  return manifest.tokens.flatMap((token) => {
    const offer = loans.offers(token.address).find(({ kind }) => kind === 'aave-v3')
    if (!offer) return []
    const rate = market.prices().get(token.address)?.rate
    return [
      {
        token: token.symbol,
        address: token.address,
        available: String(offer.available),
        value: rate === undefined ? null : humanValue(manifest, Number(offer.available) * rate),
        premiumPercent: Number(offer.rate) / 100,
      },
    ]
  })
}

const byAave = (market: MarketView, loans: LoanMarket, hops: number, most: number) =>
  findOpportunities(market, loans, { maxHops: hops, limit: most, lender: 'aave-v3' })

function execute(
  { token, maxHops: hops }: { token?: string | undefined; maxHops: number },
  { market, loans, fleet, signal }: Context<'market' | 'loans' | 'fleet'>,
  dryRun: boolean,
): ReturnType<typeof executeOpportunity> {
  aavePool(market)
  const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
  const best = byAave(market, loans, hops, 50).found.find(
    (found) => wanted === undefined || found.token === wanted,
  )
  return executeOpportunity(fleet, market, best, dryRun, signal)
}

export default defineServer({
  id: 'aave_flash_loan_mcp_server',
  needs: ['market', 'loans', 'ledger', 'chain', 'fleet'],
  tools: ({ read, spend }) => ({
    calculate_flash_loan_opportunity: read({
      description:
        'The best arbitrage that an Aave loan of one token would make now: route, exact size, premium as Aave rounds it, profit after it and the gas at the present base fee.',
      keywords: 'does a loan pay off for this pair, profit when borrowing and trading',
      input: { token: token().optional(), maxHops },
      output: {
        block: z.int(),
        opportunity: opportunity.schema.nullable().describe('null where nothing pays with an Aave loan now'),
        gasUnits: z.int().nullable(),
        netNative: z.number().nullable().describe('profit less gas, in whole native coins'),
      },
      examples: [{}],
      run: ({ token, maxHops: hops }, { market, loans }) => {
        aavePool(market)
        const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
        const best = byAave(market, loans, hops, 50).found.find(
          (found) => wanted === undefined || found.token === wanted,
        )
        if (!best) return { block: market.head.number, opportunity: null, gasUnits: null, netNative: null }
        const { gross, gas, gasUnits } = nativeNumbers(best, market)
        return {
          block: market.head.number,
          opportunity: opportunity.of(best, market),
          gasUnits,
          netNative: (gross - gas) / 1e18,
        }
      },
    }),
    get_aave_pool_liquidity: read({
      description:
        'What the Aave V3 pool can lend of each token now, with the premium, read from the pool after each block; paused, frozen and flash-disabled reserves are not listed.',
      keywords: 'available reserves, how much can be borrowed from aave',
      input: { token: token().optional(), limit: limit(500, 50) },
      output: { block: z.int(), pool: address(), reserves: z.array(reserve) },
      examples: [{}],
      run: ({ token, limit: most }, { market, loans }) => {
        const pool = aavePool(market).pool
        const wanted = token === undefined ? undefined : findToken(market.manifest, token).address
        const reserves = reservesOf(market, loans).filter(
          (item) => wanted === undefined || item.address === wanted,
        )
        return {
          block: market.head.number,
          pool,
          reserves: reserves.sort((a, b) => (b.value ?? 0) - (a.value ?? 0)).slice(0, most),
        }
      },
    }),
    simulate_flash_loan: read({
      description:
        'What a flash loan of an amount from Aave costs, to the unit, and whether the pool has it; nothing is sent.',
      keywords: 'dry run, try without sending, rehearse a loan',
      input: { token: token(), amount: textAmount() },
      output: {
        token: z.string(),
        amount: textAmount(),
        available: textAmount(),
        possible: z.boolean(),
        premium: textAmount(),
        repay: textAmount(),
        reason: z.string().nullable(),
      },
      examples: [{ token: 'USDC', amount: '1000000000' }],
      run: ({ token, amount: text }, { market, loans }) => {
        aavePool(market)
        const { address: wanted, symbol } = findToken(market.manifest, token)
        const offer = loans.offers(wanted).find(({ kind }) => kind === 'aave-v3')
        if (!offer)
          throw new KintsugiError('no-loan', `Aave does not lend ${symbol} here now`, {
            hint: 'get_aave_pool_liquidity lists what it lends',
          })
        const cost = premium(offer, BigInt(text))
        const possible = BigInt(text) <= offer.available
        return {
          token: symbol,
          amount: text,
          available: String(offer.available),
          possible,
          premium: String(cost),
          repay: String(BigInt(text) + cost),
          reason: possible ? null : `the pool has ${offer.available}, less than the ${text} wanted`,
        }
      },
    }),
    execute_flash_loan_arbitrage: spend({
      description:
        'Finds the best arbitrage with an Aave loan now and hands it to the executor, which judges, simulates, signs and sends it under all its limits. With dryRun nothing is sent. Says why where nothing was.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: (input, context) => execute(input, context, true),
      },
      keywords: 'send, carry out, full cycle with borrowed money',
      input: {
        token: token().optional(),
        maxHops,
        dryRun: z.boolean().default(false).describe('judge and simulate only'),
      },
      output: executionAnswer,
      examples: [{ dryRun: true }],
      run: (input, context) => execute(input, context, input.dryRun),
    }),
    monitor_opportunities: read({
      description:
        'Watches the market for some seconds and tells every opportunity with an Aave loan that appears, block by block; progress is reported while it goes on.',
      keywords: 'watch, keep an eye on, report new ones as they come',
      input: { seconds: z.int().min(1).max(25).default(5), maxHops, limit: limit(100, 20) },
      output: { blocks: z.int(), opportunities: z.array(opportunity.schema) },
      examples: [{ seconds: 1 }],
      run: async ({ seconds, maxHops: hops, limit: most }, { market, loans, signal, progress }) => {
        aavePool(market)
        const seen: ReturnType<typeof opportunity.of>[] = []
        let blocks = 0
        const look = () => {
          blocks++
          seen.push(...byAave(market, loans, hops, 5).found.map((found) => opportunity.of(found, market)))
          progress(blocks, undefined, `block ${market.head.number}: ${seen.length} so far`)
        }
        look()
        const stop = market.subscribe(look)
        await sleep(seconds * 1_000, undefined, { signal }).catch(() => undefined)
        stop()
        return { blocks, opportunities: seen.slice(0, most) }
      },
    }),
  }),
  resources: {
    'aave://flash-loan-status': {
      title: 'Aave flash loans now',
      description: 'The pool, its premium, and what it can lend of each token.',
      read: ({ market, loans }) => ({
        block: market.head.number,
        pool: aavePool(market).pool,
        reserves: reservesOf(market, loans),
      }),
      watch: ({ market }, onChange) => market.subscribe(onChange),
    },
    'aave://opportunities': {
      title: 'Opportunities with an Aave loan',
      description: 'What pays at the present block with an Aave loan, best first.',
      read: ({ market, loans }) => ({
        block: market.head.number,
        opportunities: byAave(market, loans, 3, 20).found.map((found) => opportunity.of(found, market)),
      }),
      watch: ({ market }, onChange) => market.subscribe(onChange),
    },
    'aave://execution-history': {
      title: 'Trades with an Aave loan',
      description: 'The last final trades that borrowed from Aave, from the ledger.',
      read: async ({ market, ledger }) => ({
        trades: (await ledger.trades({ limit: 200 }))
          .filter(({ lender }) => lender === 'aave-v3')
          .map(({ hash, block, route, outcome, realisedProfit, token, gasCost }) => ({
            hash,
            block,
            route,
            outcome,
            realisedProfit,
            token: tokenAt(market.manifest, token).symbol,
            gasCost,
          })),
      }),
    },
  },
})
