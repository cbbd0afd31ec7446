/** Prices of Aave's oracle, read from the chain. */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain, Hex } from '../../ports/chain.ts'

const abi = parseAbi([
  'function getAssetPrice(address) view returns (uint256)',
  'function BASE_CURRENCY_UNIT() view returns (uint256)',
])

/**
 * Prices in the oracle's base currency (US dollars) per whole token, in the order of `tokens`; undefined for
 * a token that the oracle does not have. Throws what the chain throws.
 */
export async function oraclePrices(
  chain: Pick<Chain, 'call'>,
  oracle: Address,
  tokens: readonly Address[],
): Promise<(number | undefined)[]> {
  const read = async (functionName: 'BASE_CURRENCY_UNIT' | 'getAssetPrice', data: Hex) =>
    decodeFunctionResult({ abi, functionName, data: await chain.call({ to: oracle, data }, 'latest') })
  const [unit, ...values] = await Promise.all([
    read('BASE_CURRENCY_UNIT', encodeFunctionData({ abi, functionName: 'BASE_CURRENCY_UNIT' })),
    ...tokens.map((token) =>
      read('getAssetPrice', encodeFunctionData({ abi, functionName: 'getAssetPrice', args: [token] })),
    ),
  ])
  return values.map((value) => (value === 0n ? undefined : Number(value) / Number(unit)))
}
