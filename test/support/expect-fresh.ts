/** Compares a replica with the chain; apart from the other helpers, which benches use without a test runner. */
import { expect } from 'vitest'
import type { Pool } from '../../src/amm/index.ts'
import type { MarketReplica } from '../../src/engine/market/replica.ts'
import { followMarket, type TestChain } from './local-chain.ts'

/** That a replica, held by logs, is what a fresh read gives; but for fees that a plugin sets, which move with the clock. */
export async function expectFresh(local: TestChain, replica: MarketReplica): Promise<void> {
  const still = (pool: Pool | undefined) =>
    pool?.kind === 'concentrated' && pool.engine === 'algebra' ? { ...pool, feePips: 0 } : pool
  const fresh = await followMarket(local)
  expect(replica.pools.size).toBe(fresh.pools.size)
  for (const [address, pool] of fresh.pools)
    expect(still(replica.pools.get(address)), pool.dex).toEqual(still(pool))
  fresh.stop()
}
