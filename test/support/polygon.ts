/** A chain that is Polygon to the fleet: its chain id, and the local market at the addresses of Polygon. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { foundryBinary } from '../../src/adapters/binaries.ts'
import type { Address } from '../../src/amm/index.ts'
import { polygon } from '../../src/engine/chains/polygon.ts'
import { type BuiltMarket, buildMarket } from '../../src/localnet/build.ts'
import { embeddedMarket } from '../../src/localnet/market.ts'
import type { MarketPlan } from '../../src/localnet/plan.ts'
import { rpc } from '../../src/localnet/rpc.ts'
import type { Exchange, MarketManifest } from '../../src/ports/manifest.ts'
import { seededRandom } from '../../src/std/random.ts'
import { freePort, OPERATOR, TREASURY } from './local-chain.ts'
import { relocate } from './relocate.ts'

export interface PolygonNode {
  readonly port: number
  readonly url: string
  readonly plan: MarketPlan
  readonly built: BuiltMarket
  stop(): Promise<void>
}

/** Starts the node, with a block a second. */
export async function startPolygon(): Promise<PolygonNode> {
  const port = await freePort()
  const node = spawn(
    foundryBinary('anvil'),
    [
      '--port',
      String(port),
      '--chain-id',
      '137',
      '--accounts',
      '0',
      '--quiet',
      '--no-request-size-limit',
      '--disable-code-size-limit',
      '--slots-in-an-epoch',
      '1',
    ],
    { stdio: 'ignore' },
  )
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; attempt < 200; attempt++) {
    if (await rpc(url, 'eth_chainId').catch(() => undefined)) break
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  const plan = embeddedMarket(seededRandom(99))
  const built = await buildMarket(url, plan, { operator: OPERATOR, treasury: TREASURY })
  await placeAtPolygon(url, built.manifest)
  await rpc(url, 'evm_setIntervalMining', 1)
  return {
    port,
    url,
    plan,
    built,
    stop: async () => {
      node.kill('SIGKILL')
      if (node.exitCode === null && node.signalCode === null) await once(node, 'exit')
    },
  }
}

/** Moves the local market's exchanges and lenders to their addresses on Polygon. */
async function placeAtPolygon(
  url: string,
  { exchanges, aave, tokens, wrappedNative }: MarketManifest,
): Promise<void> {
  const placeOf = (exchange: Exchange) =>
    'factory' in exchange ? exchange.factory : 'manager' in exchange ? exchange.manager : exchange.vault
  const moves = new Map<Address, Address>([[aave?.pool as Address, polygon.aave?.pool as Address]])
  for (const exchange of exchanges) {
    const there = polygon.exchanges.find(
      (candidate) => candidate.dex === exchange.dex && candidate.kind === exchange.kind,
    )
    if (there) moves.set(placeOf(exchange), placeOf(there))
  }
  // LocalToken and WETH9 keep their balances in different slots.
  await relocate(
    url,
    moves,
    tokens.map(({ address }) => ({ address, balancesSlot: address === wrappedNative ? 3n : 4n })),
  )
}
