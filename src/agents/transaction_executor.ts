/**
 * Executes opportunities: simulates, has transactions signed, sends them, follows them to finality, replaces
 * and recovers them.
 */
import { createHash } from 'node:crypto'
import * as z from 'zod'
import { outcomeText, readableRule, refusalTexts, refusedBy } from '../arbitrage/index.ts'
import { termsOf } from '../engine/chains/profiles.ts'
import { witness } from '../engine/governance/audit-verification.ts'
import { PaperTrades } from '../engine/paper/journal.ts'
import { Executor, type ExecutorEvents } from '../engine/trading/executor.ts'
import { standingPolicies } from '../engine/trading/policies.ts'
import type { Progress } from '../fleet/alarms.ts'
import { type AgentDecision, type Context, defineAgent, type ServiceContext } from '../mcp/define.ts'
import { haltText } from '../ports/halt.ts'
import type { DecisionRecord } from '../ports/ledger.ts'
import type { Detection, Sent } from '../ports/messages.ts'
import type { Ports } from '../ports/ports.ts'
import { messageOf } from '../std/errors.ts'
import { anOpportunity, executionAnswer, executionSummary, readOpportunity } from '../views/execution.ts'

/** Bookings wait this long after a block, since its trades go first. */
const BOOKING_PATIENCE_MS = 150
/** How often the head of the audit log is signed, if it has moved. */
const WITNESS_MS = 30_000
/** Sent transactions whose latency is kept. */
const MAX_SENT = 500

/** Judges, simulates and, unless it is a dry run, sends an opportunity that is given as JSON text. */
async function execute(
  text: string,
  {
    market,
    now,
    state: { executor },
  }: Pick<Context<'market', { executor: Executor }>, 'market' | 'now' | 'state'>,
  dryRun: boolean,
): Promise<z.output<typeof executionAnswer>> {
  const given = readOpportunity(text, market)
  const id = `opp_${createHash('sha256').update(text).update(String(now())).digest('hex').slice(0, 20)}`
  const { record, hash } = await executor.request({ ...given, id }, dryRun)
  const { simulation, decision } = record
  return {
    sent: hash !== undefined,
    id,
    hash: hash ?? null,
    verdict: decision.verdict,
    reasons: refusalTexts(record, market.manifest.nativeSymbol),
    profit: market.amount(given.token, given.profit),
    simulation: simulation
      ? {
          succeeded: simulation.succeeded,
          gasUsed: Number(simulation.gasUsed),
          profit: market.amount(given.token, simulation.profit),
          ...(simulation.error ? { error: simulation.error } : {}),
        }
      : null,
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }
const PAPER_RULE = 'paper'

/** Publishes what the executor reports. */
const eventsOf = (
  { bus, ledger }: Pick<Ports, 'bus' | 'ledger'>,
  { now, log }: Pick<ServiceContext, 'now' | 'log'>,
  sent: Sent[],
  progress: Mutable<Progress>,
): ExecutorEvents => ({
  onDecision: (record) => {
    const rule = refusedBy(record)
    // A dry run on request says nothing about what was found.
    if (record.outcome.stage !== 'dry-run') {
      progress.decided = Math.max(progress.decided ?? 0, record.opportunity.block)
      progress.refusedBy = rule
    }
    // On paper, a trade that only the mode refuses is made on paper.
    if (rule === PAPER_RULE) progress.traded = record.opportunity.block
    bus.publish('decisions', {
      id: record.id,
      block: record.opportunity.block,
      verdict: record.decision.verdict,
      refusedBy: rule,
    })
  },
  onSent: (one) => {
    progress.traded = one.block
    sent.push(one)
    if (sent.length > MAX_SENT) sent.shift()
    bus.publish('sent', one)
  },
  onTrade: (trade) => bus.publish('trades', trade),
  onNote: (note) => log.warn({}, note),
  onIncident: (kind, detail) => {
    log.error({}, detail)
    ledger
      .recordIncident({
        unit: 'transaction_executor',
        services: ['transaction_executor'],
        kind,
        detail,
        action: 'none',
        at: now(),
        durationMs: null,
      })
      .catch(() => undefined)
  },
})

/**
 * Feeds the executor detections and heads, and the journal of paper trades the changes of the market. Returns
 * how to stop.
 */
function follow(
  executor: Executor,
  paper: PaperTrades | undefined,
  { bus, market, chain }: Pick<Ports, 'bus' | 'market' | 'chain'>,
  log: ServiceContext['log'],
): () => void {
  const take = (detection: Detection, { retained }: { retained: boolean }) => {
    if (retained && detection.follows) return
    executor
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
  const stopHeads = chain.watch((head) => {
    executor
      .onHead(head)
      .catch((error) => log.warn({ error: messageOf(error) }, `bookings at block ${head.number} failed`))
  })
  return () => {
    stopDetections()
    stopFollowing()
    stopHeads()
    stopPaper()
  }
}

/**
 * Signs the head of the audit log whenever it has moved: this is the one process that runs no code of others.
 * Returns how to stop.
 */
function keepWitnessing(
  audit: Ports['audit'],
  signer: Ports['signer'],
  { now, log }: Pick<ServiceContext, 'now' | 'log'>,
): () => void {
  let witnessed = 0
  const timer = setInterval(() => {
    witness(audit, signer, witnessed, now()).then(
      (head) => {
        witnessed = head?.size ?? witnessed
      },
      (error) => log.debug({ error: messageOf(error) }, 'the audit log was not witnessed'),
    )
  }, WITNESS_MS)
  return () => clearInterval(timer)
}

/** Latencies of the last sent transactions in ms: from block to sent, and the median of each stage. */
function latencies(sent: readonly Sent[]) {
  const quantile = (of: (one: Sent) => number, share = 0.5) =>
    sent.map(of).sort((a, b) => a - b)[Math.floor(sent.length * share)] ?? null
  return {
    blockToSentMs: {
      median: quantile((one) => one.latencyMs),
      p99: quantile((one) => one.latencyMs, 0.99),
      count: sent.length,
    },
    stagesMs: {
      received: quantile(({ stages }) => stages.received),
      judged: quantile(({ stages }) => stages.judged),
      simulated: quantile(({ stages }) => stages.simulated),
      signed: quantile(({ stages }) => stages.signed),
      recorded: quantile(({ stages }) => stages.recorded),
      sent: quantile(({ stages }) => stages.sent),
    },
  }
}

/** A decision as agents list theirs; `coin`: symbol of the native token. */
const decisionOf = (record: DecisionRecord, coin: string): AgentDecision => ({
  id: record.id,
  at: record.decidedAt,
  summary: `block ${record.opportunity.block}: ${outcomeText(record)}`,
  reasons:
    record.decision.verdict === 'trade'
      ? record.decision.rules
          .map((rule) => readableRule(rule, coin))
          .map(({ rule, got, needed }) => `${rule} (got ${got}, needed ${needed})`)
      : refusalTexts(record, coin),
  data: {
    outcome: record.outcome,
    numbers: record.decision.numbers,
    policies: record.decision.policies,
  },
})

export default defineAgent({
  id: 'transaction_executor',
  duty: 'Judges opportunities, simulates, has them signed, sends them, follows them to finality and books them',
  needs: ['market', 'chain', 'ledger', 'bus', 'signer', 'relays', 'audit', 'halt'],
  start: async (
    { market, chain, ledger, bus, signer, relays, audit, halt },
    { now, log, mode, lease, overloaded },
  ) => {
    const sent: Sent[] = []
    const progress: Mutable<Progress> = {}
    const halted = () => {
      const current = halt.current()
      return current && haltText(current)
    }
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
      paused: () => (overloaded() ? 'trading pauses while the machine is overloaded' : undefined),
      terms: termsOf(chainId),
      relays,
      policies: () => standingPolicies(chainId, halted() !== undefined),
      halted,
      events: eventsOf({ bus, ledger }, { now, log }, sent, progress),
    })
    await started.start()
    const unfollow = follow(started, paper, { bus, market, chain }, log)
    const stopWitness = keepWitnessing(audit, signer, { now, log })
    return {
      executor: started,
      progress: () => ({ head: market.head.number, ...progress }),
      stop: () => {
        started.close()
        stopWitness()
        unfollow()
        signer.close()
      },
      drain: async (signal) => {
        started.drain()
        // On a chain that is gone, nothing becomes final any more.
        while (started.busy && market.failure === undefined && !signal.aborted)
          await new Promise((resolve) => setTimeout(resolve, 50))
      },
      state: () => ({
        mode,
        halted: halted() ?? null,
        inFlight: started.open,
        ...latencies(sent),
        chain: chain.link,
        ...(chain.endpoints ? { endpoints: chain.endpoints() } : {}),
      }),
      decisions: async (limit) =>
        (await ledger.decisions({ limit })).map((record) => decisionOf(record, market.manifest.nativeSymbol)),
    }
  },
  tools: ({ read, spend }) => ({
    execution_summary: read({
      description:
        'What was executed in all: trades booked, profit by token, gas, what is left, and the shares of the outcomes (as predicted, state moved, reverted, cancelled).',
      keywords: 'trades booked, reverted, win rate, performance of the bot, how fast we send',
      input: {},
      output: executionSummary.schema,
      examples: [{}],
      run: async (_input, { ledger, market, state }) => {
        const [totals, paper] = await Promise.all([ledger.totals(), ledger.paperTotals()])
        return executionSummary.of(state.executor.open, totals, paper, market)
      },
    }),
    execute_opportunity: spend({
      description:
        'Judges one opportunity under all the rules, simulates it, has it signed and sends it; with dryRun nothing is sent. For the servers that find opportunities: the input is the opportunity as they encode it.',
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
        dryRun: z.boolean().default(false).describe('judge and simulate only'),
      },
      output: executionAnswer,
      examples: [anOpportunity({ dryRun: true })],
      refusals: [[{ opportunity: '{}', dryRun: true }, 'bad-argument']],
      run: ({ opportunity, dryRun }, context) => execute(opportunity, context, dryRun),
    }),
  }),
})
