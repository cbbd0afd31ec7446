/**
 * Places tokens at the addresses that the market names, so that their order, and with it token0 and token1,
 * is the real one.
 */
import { type Abi, type Hex, pad, parseAbi } from 'viem'
import { own, weth9 } from './artifacts.ts'
import type { Deployer } from './deployer.ts'
import type { Fund, MarketPlan } from './plan.ts'
import { type RpcCall, rpcBatch, toHex } from './rpc.ts'

const wethAbi = parseAbi(['function deposit() payable', 'function transfer(address,uint256)'])

/**
 * A short string as Solidity stores it in one slot: the bytes left-aligned, twice the length in the last
 * byte.
 */
function shortString(text: string): Hex {
  const bytes = Buffer.from(text).subarray(0, 31)
  return `0x${bytes.toString('hex').padEnd(62, '0')}${(bytes.length * 2).toString(16).padStart(2, '0')}`
}

/** Installs the tokens' code and metadata. Returns a function that funds an account. */
export async function placeTokens(url: string, deployer: Deployer, plan: MarketPlan): Promise<Fund> {
  const token = own('LocalToken')
  const model = deployer.deploy('LocalToken', token, ['', '', 18])
  const wrapped = deployer.deploy('WETH9', weth9())
  await deployer.flush()
  const [tokenCode, wrappedCode] = (await rpcBatch(
    url,
    [model, wrapped].map((at) => ({ method: 'eth_getCode', params: [at, 'latest'] })),
  )) as [Hex, Hex]
  const calls: RpcCall[] = []
  for (const { address, symbol, decimals } of plan.snapshot.tokens) {
    const native = address === plan.wrappedNative
    const set = (slot: number, value: Hex) =>
      calls.push({ method: 'anvil_setStorageAt', params: [address, pad(toHex(slot)), value] })
    calls.push({ method: 'anvil_setCode', params: [address, native ? wrappedCode : tokenCode] })
    set(0, shortString(native ? `Wrapped ${plan.nativeSymbol}` : symbol))
    set(1, shortString(symbol))
    // LocalToken packs decimals with the minter above it; WETH9 has decimals alone.
    set(
      2,
      pad(native ? toHex(decimals) : (`${deployer.account}${decimals.toString(16).padStart(2, '0')}` as Hex)),
    )
  }
  await rpcBatch(url, calls)
  return (address, to, amount) => {
    if (amount === 0n) return
    if (address === plan.wrappedNative) {
      // Deposits come from the builder, whose balance the chain sets high enough for any market.
      const value = amount > 10n ** 27n ? 10n ** 27n : amount
      deployer.call(address, wethAbi, 'deposit', [], value)
      deployer.call(address, wethAbi, 'transfer', [to, value])
    } else {
      deployer.call(address, token.abi as Abi, 'mint', [to, amount])
    }
  }
}
