/** The market replica: every pool's exact state at the head, from one snapshot and the logs of each block since. */
import { type Abi, decodeAbiParameters, decodeFunctionResult, encodeFunctionData, parseAbi, toEventSelector } from 'viem'
import { type Address, type ConcentratedPool, type ConstantProductPool, changeLiquidity, type Pool } from '../amm/index.ts'
import { priceTokens, type TokenPrice } from '../arbitrage/index.ts'
import type { Chain, Head, Hex, Log } from '../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../ports/manifest.ts'
import type { MarketChange, MarketView } from '../ports/market.ts'
import { KintsugiError } from '../std/errors.ts'

const TOPIC = {
  sync: toEventSelector('Sync(uint112,uint112)'),
  swap: toEventSelector('Swap(address,address,int256,int256,uint160,uint128,int24)'),
  mint: toEventSelector('Mint(address,address,int24,int24,uint128,uint256,uint256)'),
  burn: toEventSelector('Burn(address,int24,int24,uint128,uint256,uint256)'),
} as const
const EVENTS: readonly Hex[] = Object.values(TOPIC)

const READER: Address = '0x00000000000000000000000000000000000f1e1d'
const readerAbi = parseAbi(['function read(address[] pools, int24[] spacings) view returns (bytes[] state)'])
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
  #pools = new Map<Address, Pool>()
  #head: Head | undefined
  #observedAt = 0
  #prices: Map<Address, TokenPrice> | undefined
  #stop: (() => void) | undefined
  #work: Promise<void> = Promise.resolve()
  #failure: string | undefined
  resyncs = 0

  constructor(options: MarketReplicaOptions) {
    this.#options = options
    this.manifest = options.manifest
    this.#descriptors = new Map(options.manifest.pools.map((pool) => [pool.address, pool]))
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
    const follows = last !== undefined && head.parentHash === last.hash
    if (follows || (last && head.number > last.number && head.number - last.number <= LARGEST_GAP && (await this.#stillCanonical(last)))) {
      const logs = await this.#options.chain.logs({ fromBlock: (last as Head).number + 1, toBlock: head.number, topics: [EVENTS] })
      this.#advance(head, this.#apply(logs), logs)
    } else {
      await this.#resync(head)
    }
  }

  async #stillCanonical(head: Head): Promise<boolean> {
    return (await this.#options.chain.block(head.number)).hash === head.hash
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
  #apply(logs: readonly Log[]): Set<Address> {
    const changed = new Set<Address>()
    for (const log of logs) {
      const pool = this.#pools.get(log.address)
      const next = pool && applyLog(pool, log)
      if (!next) continue
      this.#pools.set(log.address, next)
      changed.add(log.address)
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
        const data = encodeFunctionData({ abi: readerAbi as Abi, functionName: 'read', args: [batch.map((pool) => pool.address), batch.map((pool) => pool.tickSpacing ?? 0)] })
        const result = await chain.call({ to: READER, data, gas: READ_GAS }, head.number, { [READER]: readerCode })
        const states = decodeFunctionResult({ abi: readerAbi, functionName: 'read', data: result })
        batch.forEach((descriptor, index) => {
          const pool = decodePool(descriptor, states[index] as Hex)
          if (pool) fresh.set(descriptor.address, pool)
        })
      }),
    )
    this.#pools = fresh
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
    const cost = pool.tickSpacing ? Math.ceil(1_774_544 / pool.tickSpacing / 256) : 1
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

const PAIR_STATE = [{ type: 'uint112' }, { type: 'uint112' }] as const
const POOL_STATE = [{ type: 'uint160' }, { type: 'int24' }, { type: 'uint128' }, { type: 'int24[]' }, { type: 'int128[]' }, { type: 'uint128[]' }] as const

function decodePool(descriptor: PoolDescriptor, state: Hex): Pool | undefined {
  if (state === '0x') return undefined
  const { address, dex, tokens } = descriptor
  if (descriptor.kind === 'constant-product') {
    const [reserve0, reserve1] = decodeAbiParameters(PAIR_STATE, state)
    return { kind: 'constant-product', address, dex, tokens, reserves: [reserve0, reserve1], feeBps: descriptor.feeBps ?? 30 } satisfies ConstantProductPool
  }
  const [sqrtPriceX96, tick, liquidity, ticks, nets, grosses] = decodeAbiParameters(POOL_STATE, state)
  return {
    kind: 'concentrated',
    address,
    dex,
    tokens,
    sqrtPriceX96,
    liquidity,
    tick,
    tickSpacing: descriptor.tickSpacing as number,
    feePips: descriptor.feePips as number,
    ticks: ticks.map((at, index) => [at, nets[index] as bigint, grosses[index] as bigint] as const),
  } satisfies ConcentratedPool
}

/** The pool after one of its events; `undefined` for an event that changes nothing we hold. */
function applyLog(pool: Pool, log: Log): Pool | undefined {
  const word = (index: number) => BigInt(`0x${log.data.slice(2 + index * 64, 66 + index * 64)}`)
  const signed = (value: bigint, bits: number) => Number(BigInt.asIntN(bits, value))
  const topic = log.topics[0]
  if (pool.kind === 'constant-product') return topic === TOPIC.sync ? { ...pool, reserves: [word(0), word(1)] } : undefined
  if (topic === TOPIC.swap) return { ...pool, sqrtPriceX96: word(2), liquidity: word(3), tick: signed(word(4), 24) }
  if (topic !== TOPIC.mint && topic !== TOPIC.burn) return undefined
  const [lower, upper] = [signed(BigInt(log.topics[2] as Hex), 24), signed(BigInt(log.topics[3] as Hex), 24)]
  const amount = topic === TOPIC.mint ? word(1) : -word(0)
  return amount === 0n ? undefined : changeLiquidity(pool, lower, upper, amount)
}
