/** Predictions as they are shown: what may fail next. */
import * as z from 'zod'
import type { Outlook } from '../engine/operations/healing-loop.ts'
import { rounded } from '../mcp/fields.ts'
import { remoteTool } from '../mcp/remote.ts'
import { view } from './view.ts'

/** Series that left their normal, and restarts that wait for an idle moment. */
export const predictions = view(
  z.object({
    unusual: z.array(
      z.object({
        cell: z.string(),
        service: z.string().nullable().describe('null for a measure of the whole cell'),
        measure: z.string().describe('loop delay, latency or errors'),
        normal: z.number().describe('its learned normal: ms, or errors per call'),
      }),
    ),
    restartsWaiting: z.array(z.string()).describe('cells that are restarted at their next idle moment'),
  }),
  ({ unusual, restartsWaiting }: Outlook) => ({
    unusual: unusual.map((departure) => ({ ...departure, normal: rounded(departure.normal) })),
    restartsWaiting,
  }),
)

/** The healing agent's tool that reports them. */
export const predictionsTool = remoteTool({
  service: 'self_healing_agent',
  tool: 'predictions',
  effect: 'read',
  input: {},
  output: predictions.schema,
})
