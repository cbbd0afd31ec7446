/**
 * Compares a replica with the chain. A file of its own: benchmarks use the other support files without
 * vitest.
 */
import { expect } from 'vitest'
import type { Pool } from '../../src/amm/index.ts'
import type { MarketReplica } from '../../src/engine/market/replica.ts'
import { followMarket, type TestChain } from './local-chain.ts'

/**
 * Expects a replica that follows logs to equal a fresh read, except for fees that a plugin changes with time.
 */
export async function expectFresh(local: TestChain, replica: MarketReplica): Promise<void> {
  const still = (pool: Pool | undefined) =>
    pool?.kind === 'concentrated' && pool.engine === 'algebra' ? { ...pool, feePips: 0 } : pool
  const fresh = await followMarket(local)
  expect(replica.pools.size).toBe(fresh.pools.size)
  for (const [address, pool] of fresh.pools)
    expect(still(replica.pools.get(address)), pool.dex).toEqual(still(pool))
  fresh.stop()
}
