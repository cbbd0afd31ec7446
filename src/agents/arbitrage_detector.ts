/** Holds the live pool graph, updates it from each block's events, finds and sizes every profitable cycle. */
import { CaptureBook } from '../engine/trading/capture-rate.ts'
import { type Detected, detectionLog } from '../engine/trading/detection-log.ts'
import { Detector } from '../engine/trading/detector.ts'
import { PendingSearch } from '../engine/trading/pending.ts'
import { type AgentDecision, defineAgent } from '../mcp/define.ts'
import { page, paged, pageOf } from '../mcp/fields.ts'
import type { MarketChange, MarketView } from '../ports/market.ts'
import type { Detection } from '../ports/messages.ts'
import { capturedBlock, capturedTotals } from '../views/captured.ts'
import { detectionStatistics } from '../views/detections.ts'
import { observation } from '../views/prices.ts'

/** Blocks whose detections are kept. */
const MAX_DETECTIONS = 200
/** The optimum takes longer than the search: it waits until the block's trades are on their way. */
const QUIET_MS = 250

export default defineAgent({
  id: 'arbitrage_detector',
  duty: 'Holds the live pool graph, updates it from each block, finds and sizes every profitable cycle',
  urgent: true,
  needs: ['market', 'loans', 'bus', 'chain'],
  start: async ({ market, loans, bus, chain }, { now, log }) => {
    const detections = detectionLog(MAX_DETECTIONS)
    const captures = new CaptureBook()
    const detector = new Detector({ market, loans, now })
    let last: Detection | undefined
    let foundAt: number | undefined
    let timer: NodeJS.Timeout | undefined
    const pending = new PendingSearch({
      chain,
      market,
      detector,
      now,
      onFound: (detection) => bus.publish('pending-opportunities', detection),
      onNote: (note) => log.debug({}, note),
    })
    const onChange = (change: MarketChange) => {
      pending.onBlock(change)
      const detection = detector.detect(change)
      last = detection
      if (detection.opportunities.length > 0) foundAt = detection.block
      detections.add(detection)
      // A block without opportunities is published too: silence would look the same as a dead detector.
      bus.publish('opportunities', detection)
      clearTimeout(timer)
      timer = setTimeout(() => {
        if (market.head.hash !== change.head.hash) return
        captures.onOptimum(detector.optimum(change))
        bus.publish('captured', captures.totals())
      }, QUIET_MS)
    }
    const stopChanges = market.subscribe(onChange)
    const stopPending = pending.start()
    const stopSent = bus.subscribe('sent', (sent) => captures.onSent(sent))
    const stopTrades = bus.subscribe('trades', (trade, { retained }) => retained || captures.onTrade(trade))
    const stop = () => {
      clearTimeout(timer)
      stopSent()
      stopTrades()
      stopPending()
      stopChanges()
    }
    // Opportunities that opened before the start count too: the first search covers every pool.
    onChange({ head: market.head, changed: new Set(market.pools.keys()), logs: [], receivedAt: now() })
    return {
      detections,
      captures,
      stop,
      progress: () => ({
        head: market.head.number,
        ...(foundAt === undefined ? {} : { found: foundAt }),
      }),
      state: () => ({
        block: market.head.number,
        observedAt: market.observedAt,
        cycles: detector.cycles,
        lastFound: last?.opportunities.length ?? 0,
        pending: { ...pending.statistics },
        resyncing: market.failure ?? null,
      }),
      decisions: (limit) => detections.recent(limit).map((detected) => decisionOf(detected, market)),
    }
  },
  tools: ({ read }) => ({
    detection_statistics: read({
      description:
        'What the detector did over the last blocks: cycles searched, opportunities found, time from block to result in ms.',
      keywords:
        'how many opportunities were detected, how fast, detector figures, is the system keeping up with blocks',
      input: {},
      output: { ...observation.schema.shape, ...detectionStatistics.schema.shape },
      examples: [{}],
      run: (_input, { market, state: { detections } }) => ({
        ...observation.of(market),
        ...detectionStatistics.of(detections.statistics()),
      }),
    }),
    captured_share: read({
      description:
        'What the market held after each of the last blocks (an upper bound over all pools), and what share of it our trades in the next block took, newest block first.',
      keywords: 'which share of the available profit do we capture, what competitors take',
      input: page(600, 10),
      output: { totals: capturedTotals.schema, ...paged('blocks', capturedBlock.schema) },
      examples: [{ limit: 5 }],
      run: (paging, { state: { captures } }) => {
        const all = captures.recent(Number.POSITIVE_INFINITY)
        const wanted = all.slice(paging.offset, paging.offset + paging.limit)
        return {
          totals: capturedTotals.of(captures.totals()),
          ...pageOf('blocks', wanted.map(capturedBlock.of), all.length, paging),
        }
      },
    }),
  }),
})

const decisionOf = ({ opportunity: found, foundAt }: Detected, market: MarketView): AgentDecision => {
  const shown = (raw: bigint) => market.amount(found.token, raw).amount
  const legs = found.cycles.map((cycle) => cycle.legs.length).join(' + ')
  return {
    id: found.id,
    at: foundAt,
    summary: `block ${found.block}: ${legs} legs earn ${shown(found.profit)} after a premium of ${shown(found.premium)}`,
    reasons: [
      'the marginal rate of the cycle is above 1',
      `best size ${shown(found.borrowed)}`,
      `cheapest lender ${found.loan.kind}`,
    ],
  }
}
