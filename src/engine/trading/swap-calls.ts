/** The plain calls of a swap from an externally owned account: approvals, payments and swaps, in order. */
import { encodeFunctionData, parseAbi } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Hop, Route } from '../../graph/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { minimumOutput } from './swap-routes.ts'

/** A call of a contract; `what` describes it in words. */
export interface SwapCall {
  readonly to: Address
  readonly data: Hex
  readonly what: string
}

/** The calls of a swap, in order. Amounts in smallest units of the token that comes out. */
export interface PreparedSwap {
  readonly amountOut: bigint
  readonly minimumOut: bigint
  readonly calls: readonly SwapCall[]
}

const erc20 = parseAbi([
  'function transfer(address to, uint256 value)',
  'function approve(address spender, uint256 value)',
])
const pair = parseAbi(['function swap(uint256 amount0Out, uint256 amount1Out, address to, bytes data)'])
const vault = parseAbi([
  'struct SingleSwap { bytes32 poolId; uint8 kind; address assetIn; address assetOut; uint256 amount; bytes userData; }',
  'struct FundManagement { address sender; bool fromInternalBalance; address recipient; bool toInternalBalance; }',
  'function swap(SingleSwap singleSwap, FundManagement funds, uint256 limit, uint256 deadline) payable returns (uint256)',
])
const FOREVER = (1n << 256n) - 1n

/**
 * Calls for the first path of a route; `slippageBps` (basis points) lowers the minimum output of every hop,
 * and with it the input of the next. Throws `not-supported` for a pool that only a contract can trade with:
 * concentrated pools take their input by a callback.
 */
export function buildSwap(
  market: MarketView,
  route: Route,
  account: Address,
  slippageBps: number,
): PreparedSwap {
  const [path] = route.paths
  if (!path) throw new KintsugiError('no-route', 'the route has no path')
  const less = (amount: bigint) => minimumOutput(amount, slippageBps)
  // A pair gives exactly what is requested, so a later hop can spend no more than the minimum of the hop
  // before it.
  const calls = path.hops.flatMap((hop, index) => {
    const [amountIn, amountOut] = [path.amounts[index] as bigint, path.amounts[index + 1] as bigint]
    return callsOf(market, hop, index === 0 ? amountIn : less(amountIn), less(amountOut), account)
  })
  return { amountOut: route.amountOut, minimumOut: less(route.amountOut), calls }
}

function callsOf(
  market: MarketView,
  hop: Hop,
  amountIn: bigint,
  amountOut: bigint,
  account: Address,
): SwapCall[] {
  const pool = market.pool(hop.pool)
  const paid = market.amount(hop.tokenIn, amountIn).amount
  if (pool.kind === 'constant-product') {
    const zeroForOne = hop.tokenIn === pool.tokens[0]
    return [
      {
        to: hop.tokenIn,
        data: encodeFunctionData({ abi: erc20, functionName: 'transfer', args: [pool.address, amountIn] }),
        what: `pay ${paid} to the pair`,
      },
      {
        to: pool.address,
        data: encodeFunctionData({
          abi: pair,
          functionName: 'swap',
          args: [zeroForOne ? 0n : amountOut, zeroForOne ? amountOut : 0n, account, '0x'],
        }),
        what: 'take the output of the pair',
      },
    ]
  }
  if (pool.kind === 'concentrated') {
    throw new KintsugiError(
      'not-supported',
      `${pool.dex}: a concentrated pool takes its input by a callback, which an account without code cannot answer`,
      {
        hint: "use the exchange's router with this route, or our contract through execute_arbitrage",
      },
    )
  }
  const id = market.descriptor(pool.address)?.id
  const at = market.manifest.balancer?.vault
  if (!id || !at)
    throw new KintsugiError(
      'not-supported',
      `${pool.dex}: the vault or the id of the pool ${pool.address} is unknown`,
    )
  const single = {
    poolId: id,
    kind: 0,
    assetIn: hop.tokenIn,
    assetOut: hop.tokenOut,
    amount: amountIn,
    userData: '0x' as const,
  }
  const funds = { sender: account, fromInternalBalance: false, recipient: account, toInternalBalance: false }
  return [
    {
      to: hop.tokenIn,
      data: encodeFunctionData({ abi: erc20, functionName: 'approve', args: [at, amountIn] }),
      what: `approve ${paid} for the vault`,
    },
    {
      to: at,
      data: encodeFunctionData({
        abi: vault,
        functionName: 'swap',
        args: [single, funds, amountOut, FOREVER],
      }),
      what: 'swap in the vault',
    },
  ]
}
