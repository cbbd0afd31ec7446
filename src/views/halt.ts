/** A halt of trading. */
import * as z from 'zod'
import type { Halt } from '../ports/halt.ts'
import { view } from './view.ts'

/** A halt of trading in force. */
export const tradingHalt = view(
  z.object({
    by: z.string().describe('who halted trading'),
    at: z.number().describe('ms since 1970'),
    reason: z.string(),
  }),
  ({ by, at, reason }: Halt) => ({ by, at, reason }),
)
