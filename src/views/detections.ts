/** What the detector did over the last blocks, as it is shown. */
import * as z from 'zod'
import type { DetectionStatistics } from '../engine/trading/detection-log.ts'
import { view } from './view.ts'

/** Sums and times over the blocks that are kept. */
export const detectionStatistics = view(
  z.object({
    blocks: z.int().describe('number of blocks that this covers'),
    totalCycles: z.int().describe('cycles of the pool graph'),
    searchedCycles: z.int().describe('cycles searched in these blocks'),
    found: z.int().describe('opportunities found in these blocks'),
    medianMs: z.int().nullable().describe('from block received to result, in ms; null without blocks'),
    p99Ms: z.int().nullable().describe('99th percentile of the same, in ms'),
  }),
  ({ medianMs, p99Ms, ...statistics }: DetectionStatistics) => ({
    ...statistics,
    medianMs: medianMs === null ? null : Math.round(medianMs),
    p99Ms: p99Ms === null ? null : Math.round(p99Ms),
  }),
)
