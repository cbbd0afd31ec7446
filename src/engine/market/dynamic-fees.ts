/**
 * The fees of Algebra pools whose plugin sets them anew with the first swap of each block, from the volatility until then. The plugin
 * tells what it would set now: asked on top of the pending block, that is the fee of the next swap.
 */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import { multicall } from '../trading/loan-reader.ts'

const abi = parseAbi([
  'function plugin() view returns (address)',
  'function getCurrentFee() view returns (uint16)',
])
const PLUGIN = encodeFunctionData({ abi, functionName: 'plugin' })
const CURRENT_FEE = encodeFunctionData({ abi, functionName: 'getCurrentFee' })

export class DynamicFees {
  readonly #chain: Chain
  /** Who sets a pool's fee; undefined for pools that were asked and have nobody. */
  readonly #plugins = new Map<Address, Address | undefined>()

  constructor(chain: Chain) {
    this.#chain = chain
  }

  /** Asks pools that were not asked yet who sets their fee. Throws what the chain throws. */
  async look(
    pools: readonly PoolDescriptor[],
    { multicall: at }: Pick<MarketManifest, 'multicall'>,
  ): Promise<void> {
    const unknown = pools.filter((pool) => pool.engine === 'algebra' && !this.#plugins.has(pool.address))
    const plugins = await multicall(
      this.#chain,
      at,
      unknown.map(({ address }) => ({ to: address, data: PLUGIN })),
      'latest',
    )
    const found = plugins.map((answer) =>
      answer && BigInt(answer) !== 0n ? (`0x${answer.slice(-40)}` as Address) : undefined,
    )
    const asked = found.map((plugin) => plugin ?? at)
    const fees = await multicall(
      this.#chain,
      at,
      asked.map((to) => ({ to, data: CURRENT_FEE })),
      'latest',
    )
    unknown.forEach(({ address }, index) => {
      this.#plugins.set(address, fees[index] === undefined ? undefined : found[index])
    })
  }

  /** The fees of the next swaps, in hundredths of a basis point, by pool. Throws what the chain throws. */
  async read({ multicall: at }: Pick<MarketManifest, 'multicall'>): Promise<Map<Address, number>> {
    const dynamic = [...this.#plugins].filter((entry): entry is [Address, Address] => entry[1] !== undefined)
    const answers = await multicall(
      this.#chain,
      at,
      dynamic.map(([, plugin]) => ({ to: plugin, data: CURRENT_FEE })),
      'pending',
    )
    return new Map(
      dynamic.flatMap(([pool], index) => {
        const data = answers[index]
        return data
          ? [[pool, decodeFunctionResult({ abi, functionName: 'getCurrentFee', data })] as const]
          : []
      }),
    )
  }
}
