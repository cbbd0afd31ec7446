/** Reorganisations are undone pool by pool: afterwards the replica equals a fresh read. */
import { encodeFunctionData } from 'viem'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Address, type Pool, virtualReserves } from '../src/amm/index.ts'
import type { MarketReplica } from '../src/engine/market/replica.ts'
import { own } from '../src/localnet/artifacts.ts'
import { rpc, rpcBatch, toHex } from '../src/localnet/rpc.ts'
import { localSwap } from '../src/localnet/traders.ts'
import type { MarketChange } from '../src/ports/market.ts'
import { expectFresh } from './support/expect-fresh.ts'
import { followMarket, startTestChain, type TestChain } from './support/local-chain.ts'

const FROM = '0x00000000000000000000000000000000000b0001'
let local: TestChain
let replica: MarketReplica
beforeAll(async () => {
  local = await startTestChain()
  replica = await followMarket(local)
})
afterAll(() => local?.stop())

/** A swap in some pools of every kind, mined. */
async function trade(every: number): Promise<void> {
  const pools = [...replica.pools.values()].filter((_, index) => index % every === 0)
  const calls = pools.map((pool: Pool) => {
    const [tokenIn, tokenOut] = [pool.tokens[0], pool.tokens[1]] as [Address, Address]
    const amount = BigInt(Math.floor(virtualReserves(pool, tokenIn, tokenOut)[0] / 500)) + 1n
    const data = encodeFunctionData({
      abi: own('LocalTrader').abi,
      functionName: 'swap',
      args: [localSwap(pool, { pool: pool.address, tokenIn, tokenOut }), amount, 0n],
    })
    return {
      method: 'eth_sendTransaction',
      params: [{ from: FROM, to: local.market.trader, data, gas: toHex(2_000_000) }],
    }
  })
  await rpcBatch(local.url, calls)
  await rpc(local.url, 'evm_mine')
  await settled()
}

async function settled(): Promise<void> {
  const head = await local.chain.block('latest')
  await expect.poll(() => replica.head.hash, { timeout: 5_000 }).toBe(head.hash)
}

test('two blocks are replaced: their changes are undone and reported, and the market is not read again', async () => {
  await trade(1)
  await trade(2)
  await trade(3)
  const resyncs = replica.resyncs
  const changes: MarketChange[] = []
  const stop = replica.subscribe((change) => changes.push(change))
  await rpc(local.url, 'anvil_reorg', 2, [])
  await rpc(local.url, 'evm_mine')
  await settled()
  stop()
  expect(replica.resyncs).toBe(resyncs)
  expect(replica.rolledBack).toBe(2)
  // Pools that only the replaced blocks changed are among the changed ones: their changes were undone.
  expect(changes.flatMap((change) => [...change.changed]).length).toBeGreaterThan(10)
  await expectFresh(local, replica)
})

test('a reorganisation deeper than the undo history: the market is read again', async () => {
  for (let i = 0; i < 3; i++) await trade(4)
  const fresh = await followMarket(local)
  const resyncs = fresh.resyncs
  await rpc(local.url, 'anvil_reorg', 3, [])
  await rpc(local.url, 'evm_mine')
  const head = await local.chain.block('latest')
  // A replica that started after those blocks has no earlier state to restore.
  await expect.poll(() => fresh.head.hash, { timeout: 5_000 }).toBe(head.hash)
  expect(fresh.resyncs).toBeGreaterThan(resyncs)
  fresh.stop()
  await settled()
  await expectFresh(local, replica)
})
