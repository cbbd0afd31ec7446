/** Executes opportunities: simulates, has transactions signed, sends them, follows them to finality, replaces and recovers them. */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { outcomeText, refusalReasons, refusedBy } from '../arbitrage/index.ts'
import { termsOf } from '../engine/chains/profiles.ts'
import { witness } from '../engine/governance/audit-verification.ts'
import { PaperTrades } from '../engine/paper/journal.ts'
import { Executor } from '../engine/trading/executor.ts'
import { standingPolicies } from '../engine/trading/policies.ts'
import { EXAMPLE_OPPORTUNITY, executionAnswer, readOpportunity } from '../engine/trading/trade-request.ts'
import { type Context, defineAgent } from '../mcp/define.ts'
import type { Detection, Sent } from '../ports/messages.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'

/** Bookings wait this long after a block, since its trades go first. */
const BOOKING_PATIENCE_MS = 150
/** How often the head of the audit log is signed, if it has moved. */
const WITNESS_MS = 30_000
let executor: Executor | undefined

/** Judges, simulates and, unless it is a dry run, sends an opportunity that is given as JSON text. */
async function execute(
  text: string,
  { market, now }: Context<'market'>,
  dryRun: boolean,
): Promise<z.output<typeof executionAnswer>> {
  if (!executor) throw new KintsugiError('not-ready', 'the executor is still starting', { retry: 'later' })
  const given = readOpportunity(text, market)
  const id = `opp_${createHash('sha256').update(text).update(String(now())).digest('hex').slice(0, 20)}`
  const { record, hash } = await executor.request({ ...given, id }, dryRun)
  const { simulation, decision } = record
  return {
    sent: hash !== undefined,
    id,
    hash: hash ?? null,
    verdict: decision.verdict,
    reasons: refusalReasons(record),
    profit: String(given.profit),
    simulation: simulation
      ? {
          succeeded: simulation.succeeded,
          gasUsed: String(simulation.gasUsed),
          profit: String(simulation.profit),
          ...(simulation.error ? { error: simulation.error } : {}),
        }
      : null,
  }
}

export default defineAgent({
  id: 'transaction_executor',
  duty: 'Judges opportunities, simulates, has them signed, sends them, follows them to finality and books them',
  needs: ['market', 'chain', 'ledger', 'bus', 'signer', 'relays', 'audit'],
  tools: ({ read, spend }) => ({
    execution_summary: read({
      description:
        'What was executed: trades booked, profit by token, gas, and the shares of the three outcomes (state as predicted, state moved, reverted).',
      keywords: 'trades booked, reverted, win rate, performance of the bot, how fast we send',
      input: {},
      output: {
        inFlight: z.int(),
        tradesBooked: z.int(),
        gasBooked: z.string(),
        profitBooked: z.record(z.string(), z.string()),
        outcomes: z.record(z.string(), z.number()),
        paper: z
          .object({
            trades: z.int(),
            netNative: z.number().describe('whole native coins, net of gas'),
            outcomes: z.record(z.string(), z.int()),
          })
          .describe('what would have been, on paper'),
      },
      examples: [{}],
      run: async (_input, { ledger }) => {
        const [totals, paper] = await Promise.all([ledger.totals(), ledger.paperTotals()])
        return {
          inFlight: executor?.open ?? 0,
          tradesBooked: totals.tradesBooked,
          gasBooked: String(totals.gasBooked),
          profitBooked: Object.fromEntries(
            Object.entries(totals.profitBooked).map(([token, value]) => [token, String(value)]),
          ),
          outcomes: Object.fromEntries(
            Object.entries(totals.outcomes).map(([name, count]) => [name, count / totals.tradesBooked]),
          ),
          paper: { ...paper, netNative: paper.netNative / 1e18 },
        }
      },
    }),
    execute_opportunity: spend({
      description:
        'Judges one opportunity under all the rules, simulates it, has it signed and sends it; with dryRun nothing is sent. For the servers that find opportunities: the opportunity is given as they write it.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: (input, context) => execute(input.opportunity, context, true),
      },
      keywords: 'send the trade with this id, do it now',
      input: {
        opportunity: z
          .string()
          .max(200_000)
          .describe('an opportunity as this system writes it, as JSON text'),
        dryRun: z.boolean().default(false),
      },
      output: executionAnswer,
      examples: [{ opportunity: EXAMPLE_OPPORTUNITY, dryRun: true }],
      run: ({ opportunity, dryRun }, context) => execute(opportunity, context, dryRun),
    }),
  }),
  start: async ({ market, chain, ledger, bus, signer, relays, audit }, { now, log, mode, lease }) => {
    const sent: Sent[] = []
    const { chainId } = market.manifest
    const paper = mode === 'paper' ? new PaperTrades({ market, chain, ledger, now }) : undefined
    const started = new Executor({
      market,
      chain,
      ledger,
      signer,
      ...(paper ? { paper } : {}),
      lease,
      now,
      patienceMs: BOOKING_PATIENCE_MS,
      terms: termsOf(chainId),
      relays,
      policies: () => standingPolicies(chainId),
      events: {
        onDecision: (record) =>
          bus.publish('decisions', {
            id: record.id,
            block: record.opportunity.block,
            verdict: record.decision.verdict,
            refusedBy: refusedBy(record),
          }),
        onSent: (one) => {
          sent.push(one)
          if (sent.length > 500) sent.shift()
          bus.publish('sent', one)
        },
        onTrade: (trade) => bus.publish('trades', trade),
        onNote: (note) => log.warn({}, note),
        onViolation: (detail) => {
          log.error({}, detail)
          ledger
            .recordIncident({
              unit: 'transaction_executor',
              services: ['transaction_executor'],
              kind: 'prediction-violated',
              detail,
              action: 'none',
              at: now(),
              durationMs: null,
            })
            .catch(() => undefined)
        },
      },
    })
    await started.start()
    executor = started
    const take = (detection: Detection, { retained }: { retained: boolean }) => {
      if (retained && detection.follows) return
      started
        .onDetection(detection)
        .catch((error) => log.warn({ error: messageOf(error) }, `block ${detection.block} was not traded`))
    }
    const stopDetections = bus.subscribe('opportunities', take)
    const stopFollowing = bus.subscribe('pending-opportunities', take)
    const stopPaper = market.subscribe((change) => {
      paper?.judge(change).then(
        (trades) => {
          for (const trade of trades) bus.publish('paper-trades', trade)
        },
        (error) =>
          log.warn(
            { error: messageOf(error) },
            `paper trades before block ${change.head.number} were not judged`,
          ),
      )
    })
    // The audit log is witnessed by the one process that runs no code of others.
    let witnessed = 0
    const witnessing = setInterval(() => {
      witness(audit, signer, witnessed, now()).then(
        (head) => {
          witnessed = head?.size ?? witnessed
        },
        (error) => log.debug({ error: messageOf(error) }, 'the audit log was not witnessed'),
      )
    }, WITNESS_MS)
    const stopHeads = chain.watch((head) => {
      started
        .onHead(head)
        .catch((error) => log.warn({ error: messageOf(error) }, `bookings at block ${head.number} failed`))
    })
    return {
      stop: () => {
        clearInterval(witnessing)
        stopDetections()
        stopFollowing()
        stopHeads()
        stopPaper()
        signer.close()
      },
      drain: async (signal) => {
        started.drain()
        // On a chain that is gone, nothing becomes final any more.
        while (started.open > 0 && market.failure === undefined && !signal.aborted)
          await new Promise((resolve) => setTimeout(resolve, 50))
      },
      state: () => {
        const medians = (of: (one: Sent) => number, share = 0.5) =>
          sent.map(of).sort((a, b) => a - b)[Math.floor(sent.length * share)] ?? null
        return {
          mode,
          inFlight: started.open,
          blockToSentMs: {
            median: medians((one) => one.latencyMs),
            p99: medians((one) => one.latencyMs, 0.99),
            count: sent.length,
          },
          /** Medians. */
          stagesMs: {
            told: medians(({ stages }) => stages.told),
            judged: medians(({ stages }) => stages.judged),
            simulated: medians(({ stages }) => stages.simulated),
            signed: medians(({ stages }) => stages.signed),
            recorded: medians(({ stages }) => stages.recorded),
            sent: medians(({ stages }) => stages.sent),
          },
          chain: chain.link,
          ...(chain.endpoints ? { endpoints: chain.endpoints() } : {}),
        }
      },
      decisions: async (limit) =>
        (await ledger.decisions({ limit })).map((record) => ({
          id: record.id,
          at: record.decidedAt,
          summary: `block ${record.opportunity.block}: ${outcomeText(record)}`,
          reasons:
            record.decision.verdict === 'trade'
              ? record.decision.rules.map(({ rule, got, needed }) => `${rule} (got ${got}, needed ${needed})`)
              : refusalReasons(record),
          data: {
            outcome: record.outcome,
            numbers: record.decision.numbers,
            policies: record.decision.policies,
          },
        })),
    }
  },
})
