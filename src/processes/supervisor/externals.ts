/** The external services of a run, from its plan and its environment. */

import { nodeProbe } from '../../adapters/surroundings/node-probe.ts'
import { postgresProbe } from '../../adapters/surroundings/postgres-probe.ts'
import type { Probe } from '../../adapters/surroundings/probe.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import { PROFILES } from '../../engine/chains/profiles.ts'
import type { ExternalPlan } from '../../supervisor/externals.ts'
import type { RunPlan } from '../run/run-plan.ts'

const INTERVAL_MS = 1_000
const NODE_INTERVAL_MS = 2_000
/** Probes use at most this share of the call budget of a node; each is one call. */
const BUDGET_SHARE = 0.01
const DAY_MS = 86_400_000

/** The external services. `migrate` brings the database's schema up to date, once it is reachable. */
export async function externalsOf(
  plan: RunPlan,
  env: NodeJS.ProcessEnv,
  migrate: () => Promise<void>,
): Promise<ExternalPlan[]> {
  const { DATABASE_URL, REDIS_URL } = env
  const { addresses } = plan
  return [
    ...(plan.external.database && DATABASE_URL !== undefined
      ? [
          {
            id: 'database',
            title: `PostgreSQL (DATABASE_URL ${addresses.DATABASE_URL})`,
            ports: ['ledger', 'audit', 'records', 'connections'] as const,
            probe: afterwards(postgresProbe(DATABASE_URL), migrate),
            intervalMs: INTERVAL_MS,
          },
        ]
      : []),
    ...(plan.external.redis && REDIS_URL !== undefined
      ? [
          {
            id: 'redis',
            title: `Redis (REDIS_URL ${addresses.REDIS_URL})`,
            ports: ['bus'] as const,
            probe: await openRedis(REDIS_URL),
            intervalMs: INTERVAL_MS,
          },
        ]
      : []),
    ...(plan.external.chain ? nodesOf(plan, env) : []),
  ]
}

/** Redis's client is loaded only if it is used: code takes memory. */
const openRedis = async (url: string): Promise<Probe> =>
  (await import('../../adapters/surroundings/redis-probe.ts')).redisProbe(url)

function nodesOf(plan: RunPlan, env: NodeJS.ProcessEnv): ExternalPlan[] {
  const profile = PROFILES.find(({ name }) => name === plan.chain)
  const variable = rpcVariable(plan.chain)
  const urls = (env[variable] ?? '').split(',').map((url) => url.trim())
  const shown = plan.addresses[variable]?.split(',') ?? []
  if (!profile) return []
  return urls.map((url, index) => ({
    id: urls.length === 1 ? 'node' : `node-${index + 1}`,
    title: `Node of ${plan.chain} (${variable} ${shown[index]})`,
    ports: ['chain', 'market', 'loans'],
    probe: nodeProbe(url, profile),
    intervalMs: nodeIntervalMs(plan.settings.rpcBudget),
  }))
}

/** Time between two probes of a node, in ms; a budget makes it longer. */
export function nodeIntervalMs({ perSecond, perDay }: RunPlan['settings']['rpcBudget']): number {
  return Math.max(
    NODE_INTERVAL_MS,
    perSecond > 0 ? 1_000 / (perSecond * BUDGET_SHARE) : 0,
    perDay > 0 ? DAY_MS / (perDay * BUDGET_SHARE) : 0,
  )
}

/** A probe that runs `work` once, after the first answer; it fails while `work` does. */
function afterwards(probe: Probe, work: () => Promise<void>): Probe {
  return {
    async ask(deadlineMs) {
      const found = await probe.ask(deadlineMs)
      await work()
      return found
    },
    close: () => probe.close(),
  }
}
