/** Scaling policies as they are shown and changed. */
import * as z from 'zod'
import type { ScalingPolicy } from '../engine/operations/scaling.ts'
import { view } from './view.ts'

const instances = () => z.int().min(1).max(8)
const calls = () => z.number().min(0).max(1_000)
const holdMs = () => z.int().min(1_000).max(3_600_000)

/** When instances of a service are added and removed by load. */
export const scalingPolicy = view(
  z.object({
    minInstances: instances().describe('the smallest number of instances (1 to 8)'),
    maxInstances: instances().describe('the largest number of instances (1 to 8)'),
    outAt: calls().min(0.1).describe('running calls per instance at which one is added'),
    inAt: calls().describe('running calls per instance at which one is removed'),
    outAfterMs: holdMs().describe('how long the load must be that high, in ms'),
    inAfterMs: holdMs().describe('how long the load must be that low, in ms'),
  }),
  (policy: ScalingPolicy) => policy,
)
