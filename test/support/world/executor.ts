/**
 * The executor as other services see it: judges the opportunity that it receives, and sends it unless it is a
 * dry run.
 */
import type { Address } from '../../../src/amm/index.ts'
import type { Witness } from '../../../src/ports/audit.ts'
import type { Ports } from '../../../src/ports/ports.ts'
import { EXECUTOR, readOpportunity } from '../../../src/views/execution.ts'
import { testSigner } from '../trading.ts'
import { transfer } from './events.ts'
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

/**
 * The ports that only the executor has: a signer that holds the operator's account, and an empty audit log.
 * Funds the operator.
 */
export function executorPorts({ market, chain }: World): Pick<Ports, 'signer' | 'audit'> {
  const operator = market.manifest.execution?.operator as Address
  chain.balances.set(operator, 1_000n * 10n ** 18n)
  const witnesses: Witness[] = []
  return {
    signer: { ...testSigner(), account: async () => operator },
    audit: {
      append: async () => ({ size: 0, root: '' }),
      head: async () => ({ size: 0, root: '' }),
      entries: async () => [],
      recordWitness: async (witness) => void witnesses.push(witness),
      witnesses: async () => witnesses,
      kept: () => witnesses,
      close: async () => undefined,
    },
  }
}

/** Lets simulations of the chain end with this profit of a token for the treasury. */
export function simulateProfit({ market, chain }: World, token: Address, profit: bigint): void {
  const { executor, treasury } = market.manifest.execution as NonNullable<typeof market.manifest.execution>
  chain.simulation = (calls) =>
    calls.map(() => ({
      succeeded: true,
      gasUsed: 300_000n,
      logs: [transfer(token, executor, treasury, profit)],
    }))
}
