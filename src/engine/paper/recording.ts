/**
 * A market as it was, block by block: `market-recording/1`, one JSON object per line, bigints as in
 * `encodeJson`. The first line has the manifest, all pools and the lenders; each further line what one block
 * changed and who closed cycles in it.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import type { Address, Pool } from '../../amm/index.ts'
import { priceTokens, type TokenPrice } from '../../arbitrage/index.ts'
import type { LoanOffer } from '../../flash/index.ts'
import type { Chain, Head } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import type { MarketChange, MarketView } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { cyclesIn } from '../market/flash-loan-history.ts'
import { MarketVerbs } from '../market/verbs.ts'
import { readProtocolLenders } from '../trading/loan-reader.ts'

export interface RecordingHead {
  readonly schema: 'market-recording/1'
  readonly manifest: MarketManifest
  readonly head: Head
  readonly pools: readonly Pool[]
  readonly offers: readonly LoanOffer[]
}

/** A closed cycle of an account; its gain in whole quote units. */
export interface Winner {
  readonly account: Address
  readonly value: number
  readonly pools: readonly Address[]
  readonly ours: boolean
}

export interface RecordedBlock {
  readonly head: Head
  readonly pools: readonly Pool[]
  readonly winners: readonly Winner[]
}

/**
 * Passes each block's changes to `write`, one line at a time, from the present block on. Returns a function
 * that stops it.
 */
export async function record(
  market: MarketView,
  chain: Chain,
  write: (line: string) => void,
  onBlock: (recorded: RecordedBlock) => void,
): Promise<() => void> {
  const { manifest } = market
  const lenders = await readProtocolLenders(
    chain,
    manifest,
    manifest.tokens.map((token) => token.address),
    market.head.number,
  )
  const first: RecordingHead = {
    schema: 'market-recording/1',
    manifest,
    head: market.head,
    pools: [...market.pools.values()],
    offers: [...lenders.byToken.values()].flat(),
  }
  write(encodeJson(first))
  let work: Promise<void> = Promise.resolve()
  const ours = new Set([manifest.execution?.treasury, manifest.execution?.executor])
  const onChange = async (change: MarketChange, pools: readonly Pool[]) => {
    const winners = await cyclesIn(chain, market, change.head.number, change.head.number)
    const recorded: RecordedBlock = {
      head: change.head,
      pools,
      winners: winners.map(({ account, value, pools: through }) => ({
        account,
        value,
        pools: through,
        ours: ours.has(account),
      })),
    }
    write(encodeJson(recorded))
    onBlock(recorded)
  }
  return market.subscribe((change) => {
    // The states of this block, before the next one changes them.
    const pools = [...change.changed].flatMap((address) => market.pools.get(address) ?? [])
    work = work.then(() => onChange(change, pools)).catch(() => undefined)
  })
}

/** Reads a recording. Throws `recording-invalid` naming the line. */
export async function* readRecording(file: string): AsyncGenerator<RecordingHead | RecordedBlock> {
  let line = 0
  try {
    for await (const text of createInterface({
      input: createReadStream(file),
      crlfDelay: Number.POSITIVE_INFINITY,
    })) {
      line++
      if (text.trim() === '') continue
      const value = decodeJson<RecordingHead | RecordedBlock>(text)
      if (line === 1 && !('schema' in value && value.schema === 'market-recording/1'))
        throw new Error('schema: expected "market-recording/1"')
      if (line > 1 && !('head' in value && 'pools' in value))
        throw new Error('expected head and pools of a block')
      yield value
    }
  } catch (error) {
    throw new KintsugiError(
      'recording-invalid',
      `${file}, line ${Math.max(1, line)}: ${(error as Error).message}`,
      { hint: 'recordings are written by `kintsugi market record`' },
    )
  }
}

/** A recorded market, to be moved from block to block. */
export class RecordedMarket extends MarketVerbs {
  readonly manifest: MarketManifest
  readonly pools: Map<Address, Pool>
  readonly #descriptors: ReadonlyMap<Address, PoolDescriptor>
  head: Head
  failure: string | undefined
  #prices: Map<Address, TokenPrice> | undefined

  constructor({ manifest, pools, head }: RecordingHead) {
    super()
    this.manifest = manifest
    this.pools = new Map(pools.map((pool) => [pool.address, pool]))
    this.#descriptors = new Map(manifest.pools.map((pool) => [pool.address, pool]))
    this.head = head
  }

  /** Advances by one block. Returns the change. */
  apply({ head, pools }: RecordedBlock): MarketChange {
    for (const pool of pools) this.pools.set(pool.address, pool)
    this.head = head
    this.#prices = undefined
    return {
      head,
      changed: new Set(pools.map((pool) => pool.address)),
      logs: [],
      receivedAt: head.timestamp * 1_000,
    }
  }

  get observedAt(): number {
    return this.head.timestamp * 1_000
  }

  prices(): ReadonlyMap<Address, TokenPrice> {
    this.#prices ??= priceTokens(this.pools, this.manifest.numeraire)
    return this.#prices
  }

  descriptor(pool: Address): PoolDescriptor | undefined {
    return this.#descriptors.get(pool)
  }

  /** Never calls its listener: a recording is advanced by `apply`. */
  subscribe(): () => void {
    return () => undefined
  }
}
