/** Holds the live pool graph, updates it from each block's events, finds and sizes every profitable cycle. */
import * as z from 'zod'
import { tokenAt } from '../engine/market/tokens.ts'
import { CaptureBook, capturedBlock, capturedTotals } from '../engine/trading/capture-rate.ts'
import { detectionLog, detectionStatistics } from '../engine/trading/detection-log.ts'
import { Detector } from '../engine/trading/detector.ts'
import { PendingSearch } from '../engine/trading/pending.ts'
import { defineAgent } from '../mcp/define.ts'
import type { MarketChange } from '../ports/market.ts'
import type { Detection } from '../ports/messages.ts'

const log200 = detectionLog(200)
const book = new CaptureBook()
/** The optimum takes longer than the search: it waits until the block's trades are on their way. */
const QUIET_MS = 250

export default defineAgent({
  id: 'arbitrage_detector',
  duty: 'Holds the live pool graph, updates it from each block, finds and sizes every profitable cycle',
  urgent: true,
  needs: ['market', 'loans', 'bus', 'chain'],
  tools: ({ read }) => ({
    detection_statistics: read({
      description:
        'What the detector did over the last blocks: cycles searched, opportunities found, time from block to result in ms.',
      keywords: 'how many opportunities were detected, how fast, detector figures',
      input: {},
      output: {
        block: z.int(),
        ...detectionStatistics,
      },
      examples: [{}],
      run: (_input, { market }) => ({ block: market.head.number, ...log200.statistics() }),
    }),
    captured_share: read({
      description:
        'What the market held after each of the last blocks (an upper bound over all pools), and what share of it our trades in the next block took.',
      keywords: 'which share of the available profit do we capture, what competitors take',
      input: { limit: z.int().min(1).max(600).default(20).describe('this many last blocks') },
      output: { totals: capturedTotals, blocks: z.array(capturedBlock) },
      examples: [{ limit: 5 }],
      run: ({ limit }) => ({ totals: book.totals(), blocks: book.recent(limit) }),
    }),
  }),
  start: async ({ market, loans, bus, chain }, { now, log }) => {
    const detector = new Detector({ market, loans, now })
    let last: Detection | undefined
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
      log200.add(detection)
      // A block without opportunities is published too: silence would look the same as a dead detector.
      bus.publish('opportunities', detection)
      clearTimeout(timer)
      timer = setTimeout(() => {
        if (market.head.hash !== change.head.hash) return
        book.onOptimum(detector.optimum(change))
        bus.publish('captured', book.totals())
      }, QUIET_MS)
    }
    const stopChanges = market.subscribe(onChange)
    const stopPending = pending.start()
    const stopSent = bus.subscribe('sent', (sent) => book.onSent(sent))
    const stopTrades = bus.subscribe('trades', (trade, { retained }) => retained || book.onTrade(trade))
    const stop = () => {
      clearTimeout(timer)
      stopSent()
      stopTrades()
      stopPending()
      stopChanges()
    }
    // What pays already was there before we came: the first look is at everything.
    onChange({ head: market.head, changed: new Set(market.pools.keys()), logs: [], receivedAt: now() })
    return {
      stop,
      state: () => ({
        block: market.head.number,
        observedAt: market.observedAt,
        cycles: detector.cycles,
        lastFound: last?.opportunities.length ?? 0,
        pending: { ...pending.statistics },
        resyncing: market.failure ?? null,
      }),
      decisions: (limit) =>
        log200.recent(limit).map(({ opportunity: found, foundAt }) => ({
          id: found.id,
          at: foundAt,
          summary: `block ${found.block}: ${found.cycles.map((cycle) => cycle.legs.length).join(' + ')} legs from ${tokenAt(market.manifest, found.token).symbol} promise ${found.profit} after a premium of ${found.premium}`,
          reasons: [
            `log rate above zero`,
            `best size ${found.borrowed}`,
            `cheapest lender ${found.loan.kind}`,
          ],
        })),
    }
  },
})
