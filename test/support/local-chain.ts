/** A local chain for tests: anvil with the deployed contracts; stopped by process id. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { foundryBinary } from '../../src/adapters/binaries.ts'
import { anvilArguments } from '../../src/adapters/chain/anvil.ts'
import { JsonRpcChain } from '../../src/adapters/chain/json-rpc.ts'
import { type Financed, intentCycles, planned } from '../../src/arbitrage/index.ts'
import { readBatch } from '../../src/engine/market/pool-reader.ts'
import { MarketReplica } from '../../src/engine/market/replica.ts'
import type { PoolLookup } from '../../src/graph/index.ts'
import { encodeExecute } from '../../src/intents/index.ts'
import { own } from '../../src/localnet/artifacts.ts'
import { type Accounts, type BuiltMarket, buildMarket } from '../../src/localnet/build.ts'
import { embeddedMarket } from '../../src/localnet/market.ts'
import type { MarketPlan } from '../../src/localnet/plan.ts'
import { rpc } from '../../src/localnet/rpc.ts'
import type { Hex } from '../../src/ports/chain.ts'
import { seededRandom } from '../../src/std/random.ts'

export interface TestChain {
  url: string
  chain: JsonRpcChain
  market: BuiltMarket
  process: ChildProcess
  stop(): Promise<void>
}

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return port
}

export const OPERATOR = '0x00000000000000000000000000000000000000a1'
export const TREASURY = '0x00000000000000000000000000000000000000a2'

export async function startTestChain(
  plan: MarketPlan = embeddedMarket(seededRandom(7)),
  accounts: Accounts = { operator: OPERATOR, treasury: TREASURY },
  /** Without the limits of the chain's history. */
  { unbounded = false } = {},
): Promise<TestChain> {
  const port = await freePort()
  const args = anvilArguments({ port, firstBlock: 1_000 })
  const child = spawn(
    foundryBinary('anvil'),
    unbounded ? args.slice(0, args.indexOf('--prune-history')) : args,
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  const stop = async () => {
    chain.close()
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
  }
  const chain = new JsonRpcChain({ url: `ws://127.0.0.1:${port}` })
  try {
    for (let attempt = 0; ; attempt++) {
      try {
        await rpc(url, 'eth_chainId')
        break
      } catch (error) {
        if (attempt > 200) throw error
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    }
    return { url, chain, market: await buildMarket(url, plan, accounts), process: child, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Starts a market replica that follows the test's chain. */
export async function followMarket({ chain, market }: TestChain): Promise<MarketReplica> {
  const replica = new MarketReplica({
    chain,
    manifest: market.manifest,
    readerCode: own('MarketReader').deployedBytecode,
    batch: readBatch(100),
    now: Date.now,
  })
  await replica.start()
  return replica
}

/** Calldata of a plan for the executor, with a minimum profit of 1. */
export function planCall(plan: Financed, pools: PoolLookup): Hex {
  return encodeExecute({
    lender: { kind: plan.loan.kind, address: plan.loan.lender, isToken0: plan.loan.isToken0 },
    token: plan.loan.token,
    amount: plan.borrowed,
    minProfit: 1n,
    deadline: 4_000_000_000,
    cycles: intentCycles({ cycles: planned(plan.cycles, pools) }),
  })
}
