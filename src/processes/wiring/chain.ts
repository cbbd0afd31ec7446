/** The chain of a run: the embedded one, or the endpoints of a real chain. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { endpointName, FailoverChain } from '../../adapters/chain/failover.ts'
import { JsonRpcChain } from '../../adapters/chain/json-rpc.ts'
import { rpcVariable } from '../../engine/chains/names.ts'
import type { Chain, Hex } from '../../ports/chain.ts'
import { packageRoot } from '../../std/package-root.ts'
import type { Environment } from './environment.ts'

/** A client of the chain; for a real chain one that fails over between the endpoints of its NAME_RPC_URL. */
export function openChain({ plan, log }: Environment): Chain {
  const timeoutMs = plan.settings.requestTimeoutMs
  if (!plan.external.chain) {
    const authority = `127.0.0.1:${plan.chainPort}`
    return new JsonRpcChain({ url: `ws://${authority}`, httpUrl: `http://${authority}`, timeoutMs })
  }
  const endpoints = (process.env[rpcVariable(plan.chain)] as string).split(',').map((url) => ({
    name: endpointName(url.trim()),
    chain: new JsonRpcChain({ url: url.trim(), timeoutMs, pending: plan.settings.followPending }),
  }))
  return new FailoverChain(endpoints, {
    budget: plan.settings.rpcBudget,
    now: Date.now,
    random: Math.random,
    onNote: (note) => log.warn({}, note),
  })
}

const artifact = (name: string) =>
  JSON.parse(readFileSync(join(packageRoot(), 'contracts/artifacts', `${name}.json`), 'utf8')) as {
    bytecode: Hex
    deployedBytecode: Hex
  }

/** Runtime code of contracts/src/MarketReader.sol. */
export const marketReaderCode = (): Hex => artifact('MarketReader').deployedBytecode
/** Creation code of contracts/src/KintsugiExecutor.sol, without constructor arguments. */
export const executorCode = (): Hex => artifact('KintsugiExecutor').bytecode
