/**
 * A market of three tokens and the pools that a test gives it: real pool mathematics and prices, blocks at
 * the test's command.
 */

import type { Address, ConstantProductPool, Pool } from '../../src/amm/index.ts'
import { RecordedMarket } from '../../src/engine/paper/recording.ts'
import type { Hex, Log } from '../../src/ports/chain.ts'
import type { MarketManifest } from '../../src/ports/manifest.ts'
import type { MarketChange } from '../../src/ports/market.ts'
import { testManifest } from './manifest.ts'

/** An address of one repeated hexadecimal digit. */
export const addressOf = (digit: string): Address => `0x${digit.repeat(40)}`
export const WETH = addressOf('1')
export const USDC = addressOf('2')
export const DAI = addressOf('3')
export const E18 = 10n ** 18n
export const E6 = 10n ** 6n

/** 100 WETH against 250,000 USDC, 30 bps: 2,500 USDC for a WETH. */
export const WETH_USDC: ConstantProductPool = {
  kind: 'constant-product',
  address: addressOf('a'),
  dex: 'x',
  tokens: [WETH, USDC],
  reserves: [100n * E18, 250_000n * E6],
  feeBps: 30,
}

/** 250,000 DAI against 250,000 USDC, 30 bps. */
export const DAI_USDC: ConstantProductPool = {
  kind: 'constant-product',
  address: addressOf('b'),
  dex: 'x',
  tokens: [DAI, USDC],
  reserves: [250_000n * E18, 250_000n * E6],
  feeBps: 30,
}

const manifestOf = (pools: readonly Pool[]): MarketManifest =>
  testManifest(WETH, {
    nativeSymbol: 'ETH',
    numeraire: USDC,
    tokens: [
      { address: WETH, symbol: 'WETH', decimals: 18 },
      { address: USDC, symbol: 'USDC', decimals: 6 },
      { address: DAI, symbol: 'DAI', decimals: 18 },
    ],
    pools: pools.map(({ kind, address, dex, tokens }) => ({ kind, address, dex, tokens })),
    multicall: addressOf('c'),
  })

export class PoolMarket extends RecordedMarket {
  readonly #listeners = new Set<(change: MarketChange) => void>()

  constructor(pools: readonly Pool[] = [WETH_USDC, DAI_USDC], manifest: Partial<MarketManifest> = {}) {
    super({
      schema: 'market-recording/1',
      manifest: { ...manifestOf(pools), ...manifest },
      head: { number: 1, hash: '0x1', parentHash: '0x0', timestamp: 1_000, baseFeePerGas: 1n },
      pools,
      offers: [],
    })
  }

  override subscribe(listener?: (change: MarketChange) => void): () => void {
    if (listener) this.#listeners.add(listener)
    return () => listener && this.#listeners.delete(listener)
  }

  /** Advances by a block that changes `pools` and emits `logs`. */
  block(pools: readonly Pool[], logs: readonly Log[] = []): void {
    const number = this.head.number + 1
    const head = {
      ...this.head,
      number,
      hash: `0x${number}` as const,
      parentHash: this.head.hash,
      timestamp: 1_000 + number,
    }
    const change = { ...this.apply({ head, pools, winners: [] }), logs }
    for (const listener of this.#listeners) listener(change)
  }
}

/** An unsigned or two's complement word of 32 bytes, without 0x. */
export const wordOf = (value: bigint): string => BigInt.asUintN(256, value).toString(16).padStart(64, '0')
/** An address as an indexed topic. */
export const topicOf = (address: Address): Hex => `0x${'0'.repeat(24)}${address.slice(2)}`

let logIndex = 0
/** A log of `words` after its topics; each has its own index. */
export const logOf = (
  address: Address,
  topics: readonly Hex[],
  words: readonly bigint[],
  change: Partial<Log> = {},
): Log => ({
  address,
  topics,
  data: `0x${words.map(wordOf).join('')}`,
  blockNumber: 2,
  blockHash: '0x2',
  transactionHash: '0x77',
  transactionIndex: 0,
  logIndex: logIndex++,
  ...change,
})
