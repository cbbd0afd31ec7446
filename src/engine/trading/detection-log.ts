/** The last detections, and what they say together. */
import * as z from 'zod'
import type { Opportunity } from '../../arbitrage/index.ts'
import type { Detection } from '../../ports/messages.ts'

/** What `statistics` returns, as tools describe it. */
export const detectionStatistics = {
  blocks: z.int(),
  totalCycles: z.int(),
  searchedCycles: z.int(),
  found: z.int(),
  medianMs: z.number().nullable().describe('from block received to result, in ms'),
  p99Ms: z.number().nullable(),
}

export function detectionLog(capacity: number) {
  const kept: Detection[] = []
  return {
    add(detection: Detection): void {
      kept.unshift(detection)
      kept.length = Math.min(kept.length, capacity)
    },
    recent(limit: number): { opportunity: Opportunity; foundAt: number }[] {
      return kept
        .flatMap(({ opportunities, foundAt }) =>
          opportunities.map((opportunity) => ({ opportunity, foundAt })),
        )
        .slice(0, limit)
    },
    statistics() {
      const times = kept.map((detection) => detection.foundAt - detection.receivedAt).sort((a, b) => a - b)
      return {
        blocks: kept.length,
        totalCycles: kept[0]?.totalCycles ?? 0,
        searchedCycles: kept.reduce((sum, detection) => sum + detection.searchedCycles, 0),
        found: kept.reduce((sum, detection) => sum + detection.opportunities.length + detection.more, 0),
        medianMs: times[Math.floor(times.length / 2)] ?? null,
        p99Ms: times[Math.floor(times.length * 0.99)] ?? null,
      }
    },
  }
}
