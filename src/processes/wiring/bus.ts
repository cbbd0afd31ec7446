/** The bus of a run: the hub, or Redis by REDIS_URL. */
import { HubBus } from '../../adapters/bus/hub-client.ts'
import type { Bus } from '../../ports/bus.ts'
import { type RunPlan, socketPath } from '../run/run-plan.ts'

/** Opens the bus. Redis's client is loaded only if it is used: code takes memory in each process. */
export async function openBus(plan: RunPlan, redisUrl = process.env.REDIS_URL): Promise<Bus> {
  if (!plan.external.redis) return new HubBus(socketPath(plan.dataFolder, 'hub'))
  const { RedisBus } = await import('../../adapters/bus/redis.ts')
  return new RedisBus(redisUrl as string)
}
