/**
 * Whether the ledger equals the chain: gains of the treasury and payments of the operator, between two
 * blocks.
 */
import { encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Chain } from '../../ports/chain.ts'

export interface BookedTrade {
  readonly block: number
  readonly token: string
  readonly realisedProfit: string
  readonly gasCost: string
}

export interface BooksCheck {
  readonly equal: boolean
  readonly trades: number
  /** The differences, one line each. */
  readonly differences: readonly string[]
}

const ERC20 = parseAbi(['function balanceOf(address) view returns (uint256)'])

/** Blocks after `from`, up to `to`. Amounts in smallest units. */
export async function checkBooks(
  chain: Chain,
  accounts: { operator: string; treasury: string },
  trades: readonly BookedTrade[],
  from: number,
  to: number,
): Promise<BooksCheck> {
  const booked = trades.filter(({ block }) => block > from && block <= to)
  const tokens = [...new Set(trades.map(({ token }) => token))]
  const held = async (token: string, block: number) =>
    BigInt(
      await chain.call(
        {
          to: token as Address,
          data: encodeFunctionData({
            abi: ERC20,
            functionName: 'balanceOf',
            args: [accounts.treasury as Address],
          }),
        },
        block,
      ),
    )
  const differences: string[] = []
  const sum = (amounts: string[]) => amounts.reduce((total, amount) => total + BigInt(amount), 0n)
  for (const token of tokens) {
    const gained = (await held(token, to)) - (await held(token, from))
    const profit = sum(booked.filter((trade) => trade.token === token).map((trade) => trade.realisedProfit))
    if (gained !== profit)
      differences.push(`the treasury gained ${gained} of ${token}, the ledger has ${profit}`)
  }
  const paid =
    (await chain.balance(accounts.operator as Address, from)) -
    (await chain.balance(accounts.operator as Address, to))
  const gas = sum(booked.map((trade) => trade.gasCost))
  if (paid !== gas) differences.push(`the operator paid ${paid} wei, the ledger has ${gas}`)
  return { equal: differences.length === 0, trades: booked.length, differences }
}
