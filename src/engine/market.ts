/** The market replica: every pool's exact state at the head, from one snapshot and the logs of each block since. */
import { type Abi, decodeAbiParameters, decodeFunctionResult, encodeFunctionData, parseAbi } from 'viem'
import type { Address, ConcentratedPool, ConstantProductPool, Pool, StablePool, WeightedPool } from '../amm/index.ts'
import { priceTokens, type TokenPrice } from '../arbitrage/index.ts'
import type { Chain, Head, Hex, Log } from '../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../ports/manifest.ts'
import type { MarketChange, MarketView } from '../ports/market.ts'
import { KintsugiError } from '../std/errors.ts'
import { afterEvent, POOL_EVENTS, PoolRegistry } from './pool-events.ts'

const READER: Address = '0x00000000000000000000000000000000000f1e1d'
const readerAbi = parseAbi(['struct Query { uint8 kind; address at; bytes32 id; int24 tickSpacing; }', 'function read(Query[] queries) view returns (bytes[] state)'])
/** The reader's names for the kinds of pool. */
const READER_KIND = { pair: 0, concentrated: 1, algebra: 2, weighted: 3, stable: 4, managed: 5 } as const
const NO_ID: Hex = `0x${'0'.repeat(64)}`
/** Blocks whose changes can be undone when the chain reorganises. */
const UNDO_DEPTH = 64
const READ_GAS = 2_000_000_000n
/** Bitmap words that one call may read: bounds the node's work. */
const WORDS_PER_CALL = 4_000
/** A gap of more blocks than this is cheaper to read anew than to replay. */
const LARGEST_GAP = 50

export interface MarketReplicaOptions {
  chain: Chain
  manifest: MarketManifest
  /** Runtime code of contracts/src/MarketReader.sol. */
  readerCode: Hex
  /** Most pools per read. */
  batchSize: number
  now(): number
}

export class MarketReplica implements MarketView {
  readonly manifest: MarketManifest
  readonly #options: MarketReplicaOptions
  readonly #listeners = new Set<(change: MarketChange) => void>()
  readonly #descriptors: ReadonlyMap<Address, PoolDescriptor>
  readonly #registry: PoolRegistry
  readonly #decimals: ReadonlyMap<Address, number>
  /** The last blocks, with the pools as they were before each. */
  #past: { readonly head: Head; readonly undo: ReadonlyMap<Address, Pool> }[] = []
  #pools = new Map<Address, Pool>()
  #head: Head | undefined
  #observedAt = 0
  #prices: Map<Address, TokenPrice> | undefined
  #stop: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #failure: string | undefined
  resyncs = 0
  /** Blocks undone because the chain reorganised. */
  rolledBack = 0

  constructor(options: MarketReplicaOptions) {
    this.#options = options
    this.manifest = options.manifest
    this.#descriptors = new Map(options.manifest.pools.map((pool) => [pool.address, pool]))
    this.#registry = new PoolRegistry(options.manifest)
    this.#decimals = new Map(options.manifest.tokens.map((token) => [token.address, token.decimals]))
  }

  /** Reads the market and follows it from there. Throws `chain-unreachable` or `chain-replaced`. */
  async start(): Promise<void> {
    await this.#resync(await this.#options.chain.block('latest'))
    this.#stop = this.#options.chain.watch((head) => {
      this.#work = this.#work
        .then(() => this.#follow(head))
        .catch((error: Error) => {
          this.#failure = error.message
        })
    })
  }

  stop(): void {
    this.#stop?.()
  }

  /** Asks the chain for its head now and catches up where there is a newer one: afterwards `observedAt` is later than this call. */
  async confirm(): Promise<void> {
    const head = await this.#options.chain.block('latest')
    this.#work = this.#work.then(() => this.#follow(head))
    await this.#work
  }

  get pools(): ReadonlyMap<Address, Pool> {
    return this.#pools
  }

  get head(): Head {
    if (!this.#head) throw new KintsugiError('market-not-ready', 'the market has not been read yet', { retry: 'later' })
    return this.#head
  }

  get observedAt(): number {
    return this.#observedAt
  }

  get failure(): string | undefined {
    return this.#options.chain.link === 'disconnected' ? 'the chain is not connected' : this.#failure
  }

  prices(): ReadonlyMap<Address, TokenPrice> {
    this.#prices ??= priceTokens(this.#pools, this.manifest.numeraire)
    return this.#prices
  }

  subscribe(listener: (change: MarketChange) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async #follow(head: Head): Promise<void> {
    const last = this.#head
    if (last && head.hash === last.hash) {
      this.#observedAt = this.#options.now()
      return
    }
    const undone = last && (await this.#rollBack(head))
    const base = this.#head
    if (!undone || !base || head.number - base.number > LARGEST_GAP) return this.#resync(head)
    const logs = await this.#options.chain.logs({ fromBlock: base.number + 1, toBlock: head.number, topics: [POOL_EVENTS] })
    const undo = new Map<Address, Pool>()
    const changed = this.#apply(logs, undo)
    this.#past.push({ head, undo })
    if (this.#past.length > UNDO_DEPTH) this.#past.shift()
    for (const pool of undone) changed.add(pool)
    this.#advance(head, changed, logs)
  }

  /**
   * Undoes the blocks that `head` does not descend from, pool by pool, and returns the pools put back; `undefined`
   * where the common ancestor is further back than what can be undone.
   */
  async #rollBack(head: Head): Promise<Set<Address> | undefined> {
    const undone = new Set<Address>()
    if (head.parentHash === this.#head?.hash) return undone
    while (this.#head) {
      const held = this.#head
      // A block above the new head is gone; one at or below it stays if the chain still has it.
      if (held.number < head.number && (await this.#options.chain.block(held.number)).hash === held.hash) return undone
      const last = this.#past.pop()
      const before = this.#past.at(-1)?.head
      if (!last || !before) return undefined
      for (const [address, pool] of last.undo) {
        this.#pools.set(address, pool)
        undone.add(address)
      }
      this.#head = before
      this.rolledBack++
    }
    return undefined
  }

  #advance(head: Head, changed: ReadonlySet<Address>, logs: readonly Log[]): void {
    this.#head = head
    this.#observedAt = this.#options.now()
    this.#failure = undefined
    if (changed.size > 0) this.#prices = undefined
    const change: MarketChange = { head, changed, logs, receivedAt: this.#observedAt }
    for (const listener of this.#listeners) listener(change)
  }

  /** Applies logs in order and returns the pools they changed. */
  #apply(logs: readonly Log[], undo: Map<Address, Pool>): Set<Address> {
    const changed = new Set<Address>()
    for (const log of logs) {
      const address = this.#registry.poolOf(log)
      const pool = this.#pools.get(address)
      const next = pool && afterEvent(pool, log)
      if (!next) continue
      if (!changed.has(address)) undo.set(address, pool)
      this.#pools.set(address, next)
      changed.add(address)
    }
    return changed
  }

  async #resync(head: Head): Promise<void> {
    const { chain, manifest, readerCode, batchSize } = this.#options
    const genesis = await chain.block(Number(manifest.genesisBlock)).catch(() => undefined)
    if (genesis?.hash !== manifest.genesis) {
      throw new KintsugiError('chain-replaced', 'the chain is not the one that this market was built on', { retry: 'later' })
    }
    const fresh = new Map<Address, Pool>()
    await Promise.all(
      batches(manifest.pools, batchSize).map(async (batch) => {
        const data = encodeFunctionData({ abi: readerAbi as Abi, functionName: 'read', args: [batch.map((pool) => queryOf(pool, manifest))] })
        const result = await chain.call({ to: READER, data, gas: READ_GAS }, head.number, { [READER]: readerCode })
        const states = decodeFunctionResult({ abi: readerAbi, functionName: 'read', data: result })
        batch.forEach((descriptor, index) => {
          const pool = decodePool(descriptor, states[index] as Hex, this.#decimals)
          if (pool) fresh.set(descriptor.address, pool)
        })
      }),
    )
    this.#pools = fresh
    this.#past = [{ head, undo: new Map() }]
    this.#prices = undefined
    this.resyncs++
    this.#advance(head, new Set(fresh.keys()), [])
  }

  /** The descriptor of a pool of this market. */
  descriptor(pool: Address): PoolDescriptor | undefined {
    return this.#descriptors.get(pool)
  }
}

function batches(pools: readonly PoolDescriptor[], batchSize: number): PoolDescriptor[][] {
  const result: PoolDescriptor[][] = []
  let words = 0
  for (const pool of pools) {
    const cost = pool.tickSpacing && pool.engine !== 'algebra' ? Math.ceil(1_774_544 / pool.tickSpacing / 256) : 1
    const last = result.at(-1)
    if (last && last.length < batchSize && words + cost <= WORDS_PER_CALL) {
      last.push(pool)
      words += cost
    } else {
      result.push([pool])
      words = cost
    }
  }
  return result
}

const VAULT_STATE = [{ type: 'uint256[]' }, { type: 'uint256[]' }, { type: 'uint256' }, { type: 'uint256' }, { type: 'uint256[]' }] as const
const PAIR_STATE = [{ type: 'uint112' }, { type: 'uint112' }] as const
const POOL_STATE = [{ type: 'uint160' }, { type: 'int24' }, { type: 'uint128' }, { type: 'uint24' }, { type: 'int24[]' }, { type: 'int128[]' }, { type: 'uint128[]' }] as const

function queryOf(pool: PoolDescriptor, manifest: MarketManifest) {
  const [at, id, tickSpacing] = [pool.address, pool.id ?? NO_ID, pool.tickSpacing ?? 0]
  if (pool.kind === 'constant-product') return { kind: READER_KIND.pair, at, id, tickSpacing }
  if (pool.kind !== 'concentrated') return { kind: READER_KIND[pool.kind], at, id, tickSpacing }
  if (pool.engine === 'uniswap-v4') return { kind: READER_KIND.managed, at: manifest.uniswapV4?.manager ?? at, id, tickSpacing }
  return { kind: pool.engine === 'algebra' ? READER_KIND.algebra : READER_KIND.concentrated, at, id, tickSpacing }
}

function decodePool(descriptor: PoolDescriptor, state: Hex, decimals: ReadonlyMap<Address, number>): Pool | undefined {
  if (state === '0x') return undefined
  const { address, dex, tokens } = descriptor
  if (descriptor.kind === 'constant-product') {
    const [reserve0, reserve1] = decodeAbiParameters(PAIR_STATE, state)
    return { kind: 'constant-product', address, dex, tokens: tokens as ConstantProductPool['tokens'], reserves: [reserve0, reserve1], feeBps: descriptor.feeBps ?? 30 }
  }
  if (descriptor.kind !== 'concentrated') return decodeVaultPool(descriptor, state, decimals)
  const [sqrtPriceX96, tick, liquidity, fee, ticks, nets, grosses] = decodeAbiParameters(POOL_STATE, state)
  const { engine, tickSpacing, feePips } = descriptor
  return {
    kind: 'concentrated',
    address,
    dex,
    tokens: tokens as ConcentratedPool['tokens'],
    ...(engine ? { engine } : {}),
    sqrtPriceX96,
    liquidity,
    tick,
    tickSpacing: tickSpacing ?? 1,
    // Algebra's fee moves, and is read; V4's key names the fee of pools without hooks.
    feePips: engine === undefined || engine === 'uniswap-v3' ? (feePips as number) : fee,
    ...(engine === 'uniswap-v4' ? { keyFeePips: feePips as number } : {}),
    ticks: ticks.map((at, index) => [at, nets[index] as bigint, grosses[index] as bigint] as const),
  } satisfies ConcentratedPool
}

function decodeVaultPool(descriptor: PoolDescriptor, state: Hex, decimals: ReadonlyMap<Address, number>): WeightedPool | StablePool {
  const { address, dex, tokens } = descriptor
  const [balances, weights, swapFee, amp, factors] = decodeAbiParameters(VAULT_STATE, state)
  const scalingFactors = factors.length === tokens.length ? factors : tokens.map((token) => 10n ** BigInt(36 - (decimals.get(token) ?? 18)))
  const shared = { address, dex, tokens, balances, swapFee, scalingFactors }
  if (descriptor.kind === 'stable') return { kind: 'stable', ...shared, amp, ...(descriptor.invariantRounding ? { invariantRounding: descriptor.invariantRounding } : {}) }
  return { kind: 'weighted', ...shared, weights, ...(descriptor.powShortcuts ? { powShortcuts: true } : {}) }
}
