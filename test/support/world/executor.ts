/** The executor as other services see it: judges the opportunity that it receives, and sends it unless it is a dry run. */
import { EXECUTOR, readOpportunity } from '../../../src/views/execution.ts'
import type { World } from './world.ts'

/** Lets the fleet of the world answer `execute_opportunity` of the executor. */
export function addExecutor({ fleet, market }: World): void {
  fleet.answer(EXECUTOR, 'execute_opportunity', ({ arguments: given }) => {
    const { opportunity, dryRun } = given as { opportunity: string; dryRun: boolean }
    const { id, token, profit } = readOpportunity(opportunity, market)
    const { amount } = market.amount(token, profit)
    const shown = { raw: String(profit), amount }
    return {
      sent: !dryRun,
      id,
      hash: dryRun ? null : `0x${id.slice(4).padEnd(64, '0')}`,
      verdict: 'trade',
      reasons: [],
      profit: shown,
      simulation: { succeeded: true, gasUsed: 300_000, profit: shown },
    }
  })
}
