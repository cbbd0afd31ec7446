/** The profiles against the packages that publish the same addresses. */
import * as book from '@aave-dao/aave-address-book'
import { CHAIN_TO_ADDRESSES_MAP, V2_FACTORY_ADDRESSES, WETH9 } from '@uniswap/sdk-core'
import * as chains from 'viem/chains'
import { describe, expect, test } from 'vitest'
import { CHAINS } from './names.ts'
import { PROFILES } from './profiles.ts'

const AAVE = {
  polygon: book.AaveV3Polygon,
  ethereum: book.AaveV3Ethereum,
  arbitrum: book.AaveV3Arbitrum,
  base: book.AaveV3Base,
  optimism: book.AaveV3Optimism,
}
const VIEM = {
  polygon: chains.polygon,
  ethereum: chains.mainnet,
  arbitrum: chains.arbitrum,
  base: chains.base,
  optimism: chains.optimism,
}

test('every chain that can be named has a profile, and no other', () => {
  expect(PROFILES.map(({ name }) => name)).toEqual([...CHAINS])
})

describe.each(PROFILES)('$name', (profile) => {
  const { name, chainId, tokens, exchanges } = profile

  test('chain id, multicall, native coin', () => {
    const viem = VIEM[name]
    expect([viem.id, viem.contracts.multicall3.address.toLowerCase(), viem.nativeCurrency.symbol]).toEqual([
      chainId,
      profile.multicall,
      profile.nativeSymbol,
    ])
  })

  test("Aave's pool, and each token with its decimals", () => {
    const aave = AAVE[name]
    expect([aave.CHAIN_ID, aave.POOL.toLowerCase()]).toEqual([chainId, profile.aave?.pool])
    const assets = new Map<string, number>(
      Object.values(aave.ASSETS).map(({ UNDERLYING, decimals }) => [UNDERLYING.toLowerCase(), decimals]),
    )
    for (const { symbol, address, decimals } of tokens)
      expect([symbol, assets.get(address)]).toEqual([symbol, decimals])
    const addresses = tokens.map(({ address }) => address)
    expect(new Set(addresses).size).toBe(tokens.length)
    expect(new Set(tokens.map(({ symbol }) => symbol.toLowerCase())).size).toBe(tokens.length)
    expect(addresses).toContain(profile.numeraire)
    expect(addresses).toContain(profile.wrappedNative)
  })

  test("Uniswap's factories, its manager, and the wrapped coin", () => {
    const known = CHAIN_TO_ADDRESSES_MAP[chainId as keyof typeof CHAIN_TO_ADDRESSES_MAP] as {
      v3CoreFactoryAddress: string
      v4PoolManagerAddress: string
    }
    const of = (dex: string) => exchanges.find((exchange) => exchange.dex === dex)
    expect(of('uniswap_v2')).toMatchObject({ factory: V2_FACTORY_ADDRESSES[chainId]?.toLowerCase() })
    expect(of('uniswap_v3')).toMatchObject({ factory: known.v3CoreFactoryAddress.toLowerCase() })
    expect(of('uniswap_v4')).toMatchObject({ manager: known.v4PoolManagerAddress.toLowerCase() })
    if (name !== 'polygon') expect(WETH9[chainId]?.address.toLowerCase()).toBe(profile.wrappedNative)
  })

  test('addresses are in lower case, as everything here compares them', () => {
    const text = JSON.stringify(profile, (_key, value) => (typeof value === 'bigint' ? String(value) : value))
    for (const [address] of text.matchAll(/0x[0-9a-fA-F]{40}/g)) expect(address).toBe(address.toLowerCase())
  })
})
