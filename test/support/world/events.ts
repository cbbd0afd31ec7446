/** Logs as contracts emit them, and a whole arbitrage transaction, for the small chain. */
import type { Address } from '../../../src/amm/index.ts'
import type { Hex, Log } from '../../../src/ports/chain.ts'
import { logOf, topicOf } from '../pool-market.ts'
import { E6, E18, POOLS, TOKENS } from './market.ts'
import type { World } from './world.ts'

/** Hashes of the event signatures, as block explorers list them. */
const AAVE_LOAN = '0xefefaba5e921573100900a3ad9cf29f222d995fb3b6045797eaea7521bd8d6f0'
const TRANSFER = '0xddf252ad1be2c89b69c2b068fc378daa952ba7f163c4a11628f55a4df523b3ef'
const PAIR_SWAP = '0xd78ad95fa46c994b6551d0da85fc275fe613ce37657fb8d5e3d130840159d822'
const { USDC, WETH } = TOKENS
const AAVE: Address = `0x${'d'.repeat(40)}`

/** A swap of a pair; amounts in and out in the order of its tokens. */
export const pairSwap = (
  pool: Address,
  [in0, in1]: readonly [bigint, bigint],
  [out0, out1]: readonly [bigint, bigint],
  change: Partial<Log> = {},
): Log => logOf(pool, [PAIR_SWAP, topicOf(pool), topicOf(pool)], [in0, in1, out0, out1], change)

/** A flash loan of Aave. */
export const aaveLoan = (
  borrower: Address,
  token: Address,
  [amount, premium]: readonly [bigint, bigint],
  change: Partial<Log> = {},
): Log =>
  logOf(
    AAVE,
    [AAVE_LOAN, topicOf(borrower), topicOf(token), topicOf(AAVE)],
    [BigInt(borrower), amount, 0n, premium],
    change,
  )

/** A transfer of a token. */
export const transfer = (
  token: Address,
  from: Address,
  to: Address,
  amount: bigint,
  change: Partial<Log> = {},
) => logOf(token, [TRANSFER, topicOf(from), topicOf(to)], [amount], change)

/**
 * Mines a transaction of `account`: 10,000 USDC from Aave at 5 USDC, 5 WETH for them, 10,200 USDC for these,
 * so that 195 USDC are left. Its logs and receipt are on the chain. Returns its hash.
 */
export function mineArbitrage({ market, chain }: World, account: Address, hash: Hex): Hex {
  const block = market.head.number
  const change = { blockNumber: block, transactionHash: hash, blockHash: market.head.hash }
  const { wethUsdc, wethUsdcDear } = POOLS
  const logs = [
    transfer(USDC, AAVE, account, 10_000n * E6, change),
    transfer(USDC, account, wethUsdc, 10_000n * E6, change),
    transfer(WETH, wethUsdc, account, 5n * E18, change),
    pairSwap(wethUsdc, [10_000n * E6, 0n], [0n, 5n * E18], change),
    transfer(WETH, account, wethUsdcDear, 5n * E18, change),
    transfer(USDC, wethUsdcDear, account, 10_200n * E6, change),
    pairSwap(wethUsdcDear, [0n, 5n * E18], [10_200n * E6, 0n], change),
    transfer(USDC, account, AAVE, 10_005n * E6, change),
    aaveLoan(account, USDC, [10_000n * E6, 5n * E6], change),
  ]
  chain.logged.push(...logs)
  chain.receipts.set(hash, {
    transactionHash: hash,
    succeeded: true,
    blockNumber: block,
    blockHash: market.head.hash,
    transactionIndex: 0,
    gasUsed: 310_000n,
    effectiveGasPrice: 30n * 10n ** 9n,
    dataFee: 0n,
    logs,
  })
  return hash
}
