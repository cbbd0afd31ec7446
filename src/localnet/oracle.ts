/** The local price network: writes fair prices to the oracle that Aave reads when they have moved. */
import { encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../amm/index.ts'
import type { MarketView } from '../ports/market.ts'
import { BUILDER } from './plan.ts'
import { rpcBatch, toHex } from './rpc.ts'

const abi = parseAbi(['function setAssetPrice(address asset, uint256 price)'])
/** A price is written when it moved by this fraction. */
const DEVIATION = 0.005
const written = new Map<Address, number>()

/**
 * Writes moved prices: dollars per whole token, eight decimals, the numeraire taken as a dollar. Throws
 * `rpc-failed`.
 */
export async function updateOracle(
  url: string,
  source: Address,
  market: MarketView,
  fair: ReadonlyMap<Address, number>,
): Promise<void> {
  const unit =
    market.manifest.tokens.find((token) => token.address === market.manifest.numeraire)?.decimals ?? 6
  const calls = market.manifest.tokens.flatMap((token) => {
    const rate = fair.get(token.address)
    if (rate === undefined) return []
    const dollars = rate * 10 ** (token.decimals - unit)
    const last = written.get(token.address)
    if (last !== undefined && Math.abs(dollars / last - 1) < DEVIATION) return []
    written.set(token.address, dollars)
    const data = encodeFunctionData({
      abi,
      functionName: 'setAssetPrice',
      args: [token.address, BigInt(Math.round(dollars * 1e8))],
    })
    return [
      { method: 'eth_sendTransaction', params: [{ from: BUILDER, to: source, data, gas: toHex(100_000) }] },
    ]
  })
  await rpcBatch(url, calls)
}
