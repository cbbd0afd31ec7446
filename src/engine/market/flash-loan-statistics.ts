/** Sums over flash loans and arbitrage cycles of the past. */
import type { Address } from '../../amm/index.ts'
import type { MarketView } from '../../ports/market.ts'
import type { ClosedCycle, FlashLoan } from './flash-loan-history.ts'

/** The last `blocks` blocks of this market, both ends inclusive. */
export function blockWindow(
  { head, manifest }: MarketView,
  blocks: number,
): { fromBlock: number; toBlock: number } {
  return { fromBlock: Math.max(manifest.genesisBlock, head.number - blocks + 1), toBlock: head.number }
}

/** Number and value of some loans; values in whole numeraire units, tokens without a price count 0. */
export interface LoanSum {
  readonly loans: number
  readonly value: number
  readonly premiumValue: number
}

export type Worth = (token: Address, amount: bigint) => number | undefined

/** The sum of some loans. */
export function loanSum(loans: readonly FlashLoan[], worth: Worth): LoanSum {
  const sum = (of: (loan: FlashLoan) => bigint) =>
    loans.reduce((total, loan) => total + (worth(loan.token, of(loan)) ?? 0), 0)
  return { loans: loans.length, value: sum((loan) => loan.amount), premiumValue: sum((loan) => loan.premium) }
}

/** The sums of groups of loans, largest value first. */
export function loanSumsBy<K>(
  loans: readonly FlashLoan[],
  key: (loan: FlashLoan) => K,
  worth: Worth,
): (readonly [K, LoanSum])[] {
  return [...Map.groupBy(loans, key)]
    .map(([name, list]) => [name, loanSum(list, worth)] as const)
    .sort(([, a], [, b]) => b.value - a.value)
}

/** An account that closes cycles; `value` in whole numeraire units. */
export interface Competitor {
  readonly account: Address
  readonly transactions: number
  readonly value: number
  readonly lastBlock: number
}

/** The accounts that closed cycles, largest gain first. */
export function competitorsIn(cycles: readonly ClosedCycle[]): Competitor[] {
  return [...Map.groupBy(cycles, ({ account }) => account)]
    .map(([account, list]) => ({
      account,
      transactions: list.length,
      value: list.reduce((sum, { value }) => sum + value, 0),
      lastBlock: Math.max(...list.map(({ block }) => block)),
    }))
    .sort((a, b) => b.value - a.value)
}
