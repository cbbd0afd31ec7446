/** The price of data, read from the rollup's own contracts. */
import { decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { DataFee } from '../../arbitrage/index.ts'
import type { Chain } from '../../ports/chain.ts'
import type { GasMarket } from './profile.ts'

const oracleAbi = parseAbi(['function getL1FeeUpperBound(uint256 unsignedTxSize) view returns (uint256)'])
const gasInfoAbi = parseAbi([
  'function getPricesInWei() view returns (uint256 perL2Tx, uint256 perL1CalldataByte, uint256 perStorage, uint256 perArbGasBase, uint256 perArbGasCongestion, uint256 perArbGasTotal)',
])
/** An unsigned transaction without its call data: chain, nonce, fees, gas, target. */
const ENVELOPE = 60
/** Sizes in bytes between which the oracle's fee is linear; below the first a minimum fee applies. */
const SIZES = [600, 4_600] as const
/** Signature and envelope, as the batch has them. */
const SIGNED_ENVELOPE = 140

/** The price of data at `block`; undefined where none is charged. Throws what the chain throws. */
export async function readDataFee(chain: Chain, gas: GasMarket, block: number): Promise<DataFee | undefined> {
  switch (gas.kind) {
    case 'auction':
      return undefined
    case 'op-stack': {
      const [low, high] = (await Promise.all(
        SIZES.map(async (size) => {
          const data = encodeFunctionData({
            abi: oracleAbi,
            functionName: 'getL1FeeUpperBound',
            args: [BigInt(size)],
          })
          return Number(
            decodeFunctionResult({
              abi: oracleAbi,
              functionName: 'getL1FeeUpperBound',
              data: await chain.call({ to: gas.oracle, data }, block),
            }),
          )
        }),
      )) as [number, number]
      const perByte = (high - low) / (SIZES[1] - SIZES[0])
      return { fixed: low - perByte * (SIZES[0] - ENVELOPE), perByte, chargedAs: 'sum' }
    }
    case 'arbitrum': {
      const data = encodeFunctionData({ abi: gasInfoAbi, functionName: 'getPricesInWei' })
      const [, perByte] = decodeFunctionResult({
        abi: gasInfoAbi,
        functionName: 'getPricesInWei',
        data: await chain.call({ to: gas.gasInfo, data }, block),
      })
      // The batch is compressed: this is the maximum charge.
      return { fixed: Number(perByte) * SIGNED_ENVELOPE, perByte: Number(perByte), chargedAs: 'gas' }
    }
  }
}
