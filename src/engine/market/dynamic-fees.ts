/**
 * Fees of Algebra pools whose plugin updates them with the first swap of each block, by volatility. A call of
 * the plugin on top of the pending block returns the fee of the next swap.
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
  /** The plugin of each pool that was queried; undefined for a pool without one. */
  readonly #plugins = new Map<Address, Address | undefined>()

  constructor(chain: Chain) {
    this.#chain = chain
  }

  /** Reads the plugins of pools that were not queried before. Throws what the chain throws. */
  async findPlugins(
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
    const targets = found.map((plugin) => plugin ?? at)
    const fees = await multicall(
      this.#chain,
      at,
      targets.map((to) => ({ to, data: CURRENT_FEE })),
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
