/** Simulates, has it signed, sends, follows to finality, replaces and recovers. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Detection } from '../engine/detector.ts'
import { Executor } from '../engine/executor.ts'
import { EXAMPLE_OPPORTUNITY, executionAnswer, readOpportunity } from '../engine/manual-trade.ts'
import { localPolicies } from '../engine/policies.ts'
import { defineAgent, toolWith } from '../mcp/define.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'

const needs = ['market', 'chain', 'ledger', 'bus', 'signer'] as const
const tool = toolWith(needs)
let executor: Executor | undefined

export default defineAgent({
  id: 'transaction_executor',
  duty: 'Judges opportunities, simulates, has them signed, sends them, follows them to finality and books them',
  needs,
  tools: {
    execution_summary: tool({
      description: 'What was executed: trades booked, profit by token, gas, and the shares of the three outcomes (state as predicted, state moved, reverted).',
      effect: 'read',
      input: z.object({}),
      output: z.object({
        inFlight: z.int(),
        tradesBooked: z.int(),
        gasBooked: z.string(),
        profitBooked: z.record(z.string(), z.string()),
        outcomes: z.record(z.string(), z.number()),
      }),
      example: {},
      run: async (_input, { ledger }) => {
        const totals = await ledger.totals()
        return {
          inFlight: executor?.inFlight ?? 0,
          tradesBooked: totals.tradesBooked,
          gasBooked: String(totals.gasBooked),
          profitBooked: Object.fromEntries(Object.entries(totals.profitBooked).map(([token, value]) => [token, String(value)])),
          outcomes: Object.fromEntries(Object.entries(totals.outcomes).map(([name, count]) => [name, count / totals.tradesBooked])),
        }
      },
    }),
    execute_opportunity: tool({
      description:
        'Judges one opportunity under all the rules, simulates it, has it signed and sends it; with dryRun nothing is sent. For the servers that find opportunities: the opportunity is given as they write it.',
      effect: 'spend',
      input: z.object({ opportunity: z.string().max(200_000).describe('an opportunity as this system writes it, as JSON text'), dryRun: z.boolean().default(false) }),
      output: executionAnswer,
      example: { opportunity: EXAMPLE_OPPORTUNITY, dryRun: true },
      run: async ({ opportunity: text, dryRun }, { market, now }) => {
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
          reasons: decision.rules.filter((rule) => !rule.ok).map((rule) => `${rule.rule}: got ${rule.got}, needed ${rule.needed}`),
          profit: String(given.profit),
          simulation: simulation
            ? { succeeded: simulation.succeeded, gasUsed: String(simulation.gasUsed), profit: String(simulation.profit), ...(simulation.error ? { error: simulation.error } : {}) }
            : null,
        }
      },
    }),
  },
  start: async ({ market, chain, ledger, bus, signer }, { now, log, mode, lease }) => {
    const latencies: number[] = []
    const started = new Executor({
      market,
      chain,
      ledger,
      signer,
      mode,
      lease,
      now,
      policies: localPolicies,
      events: {
        onDecision: (record) =>
          bus.publish('decisions', {
            id: record.id,
            block: record.opportunity.block,
            verdict: record.decision.verdict,
            refusedBy: record.decision.rules.find((rule) => !rule.ok)?.rule ?? null,
          }),
        onSent: (sent) => {
          latencies.push(sent.latencyMs)
          if (latencies.length > 500) latencies.shift()
          bus.publish('sent', sent)
        },
        onTrade: (trade) => bus.publish('trades', trade),
        onNote: (note) => log.warn({}, note),
        onViolation: (detail) => {
          log.error({}, detail)
          ledger.recordIncident({ service: 'transaction_executor', kind: 'prediction-violated', detail, at: now() }).catch(() => undefined)
        },
      },
    })
    await started.start()
    executor = started
    const stopDetections = bus.subscribe<Detection>('opportunities', (detection) => {
      started.onDetection(detection).catch((error) => log.warn({ error: messageOf(error) }, `block ${detection.block} was not traded`))
    })
    const stopHeads = chain.watch((head) => {
      started.onHead(head).catch((error) => log.warn({ error: messageOf(error) }, `block ${head.number} was not followed to the end`))
    })
    return {
      stop: () => {
        stopDetections()
        stopHeads()
        signer.close()
      },
      drain: async (signal) => {
        started.drain()
        // On a chain that is gone nothing becomes final any more.
        while (started.inFlight > 0 && market.failure === undefined && !signal.aborted) await new Promise((resolve) => setTimeout(resolve, 50))
      },
      state: () => {
        const sorted = [...latencies].sort((a, b) => a - b)
        return {
          mode,
          inFlight: started.inFlight,
          blockToSentMs: { median: sorted[sorted.length >> 1] ?? null, p99: sorted[Math.floor(sorted.length * 0.99)] ?? null, count: sorted.length },
          chain: chain.link,
          ...(chain.endpoints ? { endpoints: chain.endpoints() } : {}),
        }
      },
      decisions: async (limit) =>
        (await ledger.decisions({ limit })).map((record) => ({
          id: record.id,
          at: record.decidedAt,
          summary: `${record.decision.verdict} at block ${record.opportunity.block}`,
          reasons: record.decision.rules
            .filter((rule) => !rule.ok || record.decision.verdict === 'trade')
            .map((rule) => `${rule.ok ? 'passed' : 'failed'}: ${rule.rule} (got ${rule.got}, needed ${rule.needed})`),
          data: { numbers: record.decision.numbers, policies: record.decision.policies },
        })),
    }
  },
})
