/** Incidents as tools show them. */
import * as z from 'zod'

export const incident = z.object({
  unit: z.string().describe('the cell or piece of infrastructure'),
  services: z.array(z.string()),
  kind: z.string(),
  detail: z.string().describe('what was seen, and suspected'),
  action: z.string().describe('what was done'),
  at: z.number().describe('ms since 1970'),
  durationMs: z.number().nullable().describe('how long it lasted, for what ended'),
})
