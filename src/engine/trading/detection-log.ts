/** The last detections, and their statistics. */
import type { Opportunity } from '../../arbitrage/index.ts'
import type { Detection } from '../../ports/messages.ts'

/** Sums and times over the detections that are kept; times in ms from block received to result. */
export interface DetectionStatistics {
  readonly blocks: number
  /** Cycles of the pool graph at the last block. */
  readonly totalCycles: number
  readonly searchedCycles: number
  readonly found: number
  readonly medianMs: number | null
  readonly p99Ms: number | null
}

/** An opportunity with the time of its detection, in ms since 1970. */
export interface Detected {
  readonly opportunity: Opportunity
  readonly foundAt: number
}

/** Keeps the last `capacity` detections in memory. */
export function detectionLog(capacity: number) {
  const kept: Detection[] = []
  return {
    add(detection: Detection): void {
      kept.unshift(detection)
      kept.length = Math.min(kept.length, capacity)
    },
    /** The opportunities of the detections that are kept, newest detection first. */
    recent(limit: number): Detected[] {
      return kept
        .flatMap(({ opportunities, foundAt }) =>
          opportunities.map((opportunity) => ({ opportunity, foundAt })),
        )
        .slice(0, limit)
    },
    statistics(): DetectionStatistics {
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
