/** A booked or paper trade as one line of the terminal. */
import type { PaperTrade, Trade } from '../../ports/ledger.ts'
import { clockTime, color, count, dateTime, plain, short, shortAmount, units } from '../format.ts'

const HASH_LENGTH = 6

/**
 * How lines are written: the native token's symbol, the terminal's width in columns (absent: no limit),
 * everything or a summary.
 */
export interface LineStyle {
  readonly nativeSymbol: string
  readonly width?: number | undefined
  readonly verbose?: boolean
}

type Painter = (text: string) => string

const OUTCOME_COLOR: Readonly<Record<Trade['outcome'], Painter>> = {
  'as-predicted': color.green,
  'state-moved': color.yellow,
  reverted: color.red,
  cancelled: color.red,
}

/** `WETH → USDC (quickswap) → WETH (uniswap_v3)` is `WETH>USDC>WETH`; several cycles are counted. */
function pathOf(route: string, pools: number): string {
  const cycles = route.split(' + ')
  if (route === '') return 'nonce released'
  if (cycles.length > 1) return `${cycles.length} cycles, ${count(pools, 'pool')}`
  return `${route.replaceAll(/ \([^)]*\)/g, '').replaceAll(' → ', '>')}  ${count(pools, 'pool')}`
}

/**
 * Joins columns by two spaces. The `flexible` one is cut when the line is wider than `width`; then the line
 * itself.
 */
function fitted(columns: readonly string[], flexible: number, width: number | undefined): string {
  const line = columns.join('  ')
  const excess = width === undefined ? 0 : plain(line).length - width
  if (excess <= 0) return line
  const cut = columns.with(flexible, cutTo(columns[flexible] ?? '', excess)).join('  ')
  return width !== undefined && plain(cut).length > width ? `${plain(cut).slice(0, width - 1)}…` : cut
}

function cutTo(text: string, excess: number): string {
  const kept = plain(text).length - excess - 1
  return kept < 1 ? '…' : `${plain(text).slice(0, kept)}…`
}

/** `09:05:12  +8.70 USDC  gas 0.38 MATIC  as predicted  USDC>DAI>USDC  2 pools  aave-v3  0x9c81…` */
export function tradeLine(trade: Trade, style: LineStyle): string {
  if (style.verbose) return tradeDetails(trade, style)
  const profit = `${trade.realisedProfit > 0n ? '+' : ''}${shortAmount(trade.realisedProfit, trade.decimals)} ${trade.symbol}`
  const pools = new Set(trade.legs.map(({ pool }) => pool)).size
  return fitted(
    [
      color.dim(clockTime(trade.bookedAt)),
      color.bold(profit),
      `gas ${shortAmount(trade.gasCost, 18)} ${style.nativeSymbol}`,
      OUTCOME_COLOR[trade.outcome](trade.outcome.replace('-', ' ')),
      pathOf(trade.route, pools),
      trade.lender,
      color.dim(`${trade.hash.slice(0, HASH_LENGTH)}…`),
    ],
    4,
    style.width,
  )
}

function tradeDetails(trade: Trade, { nativeSymbol }: LineStyle): string {
  const amount = (value: bigint) => `${units(value, trade.decimals)} ${trade.symbol}`
  const native =
    trade.symbol === `W${nativeSymbol}` || trade.realisedProfit === 0n
      ? ''
      : ` (${short(trade.profitNative)} ${nativeSymbol})`
  return [
    color.dim(`${dateTime(trade.bookedAt)}  block ${trade.block}`),
    trade.route || 'nonce released',
    trade.lender,
    `size ${amount(trade.amountIn)}`,
    `predicted ${amount(trade.predictedProfit)}`,
    `realised ${color.bold(amount(trade.realisedProfit))}${native}`,
    `gas ${units(trade.gasCost, 18)} ${nativeSymbol}`,
    OUTCOME_COLOR[trade.outcome](trade.outcome.replace('-', ' ')),
    color.dim(trade.hash),
  ].join('  ')
}

/** A trade on paper: its would-be profit, net of gas. */
export function paperTradeLine(trade: PaperTrade, style: LineStyle): string {
  const net = trade.netNative / 1e18
  const pools = trade.route.split(' (').length - 1
  return fitted(
    [
      color.dim(
        style.verbose ? `${dateTime(trade.judgedAt)}  block ${trade.block}` : clockTime(trade.judgedAt),
      ),
      color.bold(`${net > 0 ? '+' : ''}${short(net)} ${style.nativeSymbol} on paper`),
      `predicted ${shortAmount(trade.predictedProfit, trade.decimals)} ${trade.symbol}`,
      trade.outcome === 'traded' ? color.green('filled') : color.red(trade.outcome),
      style.verbose ? trade.route : pathOf(trade.route, pools),
      ...(trade.reason ? [color.dim(trade.reason)] : []),
    ],
    4,
    style.verbose ? undefined : style.width,
  )
}
