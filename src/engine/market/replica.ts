/**
 * The market replica: every pool's exact state at the head, from one snapshot and the logs of each block
 * since.
 */
import type { Address, Pool } from '../../amm/index.ts'
import { priceTokens, type TokenPrice } from '../../arbitrage/index.ts'
import type { Head, Hex, Log } from '../../ports/chain.ts'
import type { MarketManifest, PoolDescriptor } from '../../ports/manifest.ts'
import type { MarketChange } from '../../ports/market.ts'
import { KintsugiError } from '../../std/errors.ts'
import { DynamicFees } from './dynamic-fees.ts'
import { afterEvent, POOL_EVENTS, PoolRegistry } from './pool-events.ts'
import { CREATION_EVENTS, createdPool } from './pool-factories.ts'
import { type PoolReaderOptions, readPools } from './pool-reader.ts'
import { describeVaultPools, registrationOf, VAULT_DEPOSIT } from './vault-pools.ts'
import { MarketVerbs } from './verbs.ts'

/** Blocks whose changes can be undone when the chain reorganises. */
const UNDO_DEPTH = 64
/** A longer gap is cheaper to read again than to replay, in blocks. */
const MAX_GAP = 50

export interface MarketReplicaOptions extends PoolReaderOptions {
  manifest: MarketManifest
  now(): number
  /** How long a new block is left to processes that trades wait for before it is read here, in ms. */
  readDelayMs?(): number
}

export class MarketReplica extends MarketVerbs {
  /** The manifest of the start, and the pools created since. */
  manifest: MarketManifest
  readonly #options: MarketReplicaOptions
  readonly #listeners = new Set<(change: MarketChange) => void>()
  readonly #descriptors: Map<Address, PoolDescriptor>
  readonly #registry: PoolRegistry
  readonly #tokens: ReadonlySet<Address>
  readonly #fees: DynamicFees
  /** Pools created up to this block are known. */
  #createdUpTo: number
  /** Ids of the vault's pools that were examined. */
  readonly #examinedIds = new Set<Hex>()
  /** The last blocks, with the changed pools before each; undefined for a pool that did not exist. */
  #past: { readonly head: Head; readonly undo: ReadonlyMap<Address, Pool | undefined> }[] = []
  #pools = new Map<Address, Pool>()
  #head: Head | undefined
  #observedAt = 0
  #prices: Map<Address, TokenPrice> | undefined
  #stop: (() => void) | undefined
  /** The newest block that is not read yet, and when it was seen. */
  #newest: { readonly head: Head; readonly seen: number } | undefined
  #delay: NodeJS.Timeout | undefined
  #work: Promise<void> = Promise.resolve()
  #failure: string | undefined
  resyncs = 0
  /** Blocks undone because the chain reorganised. */
  rolledBack = 0

  constructor(options: MarketReplicaOptions) {
    super()
    this.#options = options
    this.manifest = options.manifest
    this.#descriptors = new Map(options.manifest.pools.map((pool) => [pool.address, pool]))
    this.#registry = new PoolRegistry(options.manifest)
    this.#tokens = new Set(options.manifest.tokens.map((token) => token.address))
    this.#createdUpTo = options.manifest.discoveredAt
    this.#fees = new DynamicFees(options.chain)
  }

  /** Reads the market and follows it from there. Throws `chain-unreachable` or `chain-replaced`. */
  async start(): Promise<void> {
    await this.#resync(await this.#options.chain.block('latest'))
    this.#stop = this.#options.chain.watch((head) => this.#readLater(head, this.#options.now()))
  }

  /** Reads a block after the delay; of the blocks that arrive meanwhile, only the last one. */
  #readLater(head: Head, seen: number): void {
    this.#newest = { head, seen }
    const delayMs = this.#options.readDelayMs?.() ?? 0
    if (delayMs === 0) this.#readNewest()
    else this.#delay ??= setTimeout(() => this.#readNewest(), delayMs)
  }

  #readNewest(): void {
    clearTimeout(this.#delay)
    this.#delay = undefined
    const newest = this.#newest
    if (!newest) return
    this.#newest = undefined
    this.#work = this.#work
      .then(() => this.#follow(newest.head, newest.seen))
      .catch((error: Error) => {
        this.#failure = error.message
      })
  }

  stop(): void {
    clearTimeout(this.#delay)
    this.#stop?.()
  }

  /** Reads the chain's head and catches up with it: afterwards `observedAt` is later than this call. */
  async confirm(): Promise<void> {
    const head = await this.#options.chain.block('latest')
    this.#readNewest()
    const confirmed = this.#work.then(() => this.#follow(head, this.#options.now()))
    // A failure is the caller's: the next block is read all the same.
    this.#work = confirmed.catch(() => undefined)
    await confirmed
  }

  get pools(): ReadonlyMap<Address, Pool> {
    return this.#pools
  }

  get head(): Head {
    if (!this.#head)
      throw new KintsugiError('market-not-ready', 'the market has not been read yet', { retry: 'later' })
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

  async #follow(head: Head, seen: number): Promise<void> {
    const last = this.#head
    if (last && head.hash === last.hash) {
      this.#observedAt = this.#options.now()
      return
    }
    const undone = last && (await this.#rollBack(head))
    const base = this.#head
    if (!undone || !base || head.number - base.number > MAX_GAP) return this.#resync(head)
    const [logs, fees] = await Promise.all([
      this.#options.chain.logs({
        fromBlock: base.number + 1,
        toBlock: head.number,
        topics: [[...POOL_EVENTS, ...CREATION_EVENTS]],
      }),
      this.#fees.read(this.manifest),
    ])
    const undo = new Map<Address, Pool | undefined>()
    await this.#learn(logs, head)
    const changed = this.#apply(logs, undo)
    await this.#readNew(logs, head, changed, undo)
    this.#setFees(fees, changed, undo)
    this.#createdUpTo = head.number
    this.#past.push({ head, undo })
    if (this.#past.length > UNDO_DEPTH) this.#past.shift()
    for (const pool of undone) changed.add(pool)
    this.#advance(head, changed, logs, seen)
  }

  /**
   * Undoes the blocks that `head` does not descend from, pool by pool, and returns the pools put back;
   * `undefined` if the common ancestor is older than `UNDO_DEPTH` blocks.
   */
  async #rollBack(head: Head): Promise<Set<Address> | undefined> {
    const undone = new Set<Address>()
    if (head.parentHash === this.#head?.hash) return undone
    while (this.#head) {
      const held = this.#head
      // A block above the new head does not exist any more; one at or below it stays if the chain still has
      // it.
      if (held.number < head.number && (await this.#options.chain.block(held.number)).hash === held.hash)
        return undone
      const last = this.#past.pop()
      const before = this.#past.at(-1)?.head
      if (!last || !before) return undefined
      for (const [address, pool] of last.undo) {
        if (pool) this.#pools.set(address, pool)
        else this.#pools.delete(address)
        undone.add(address)
      }
      this.#head = before
      this.rolledBack++
    }
    return undefined
  }

  #advance(head: Head, changed: ReadonlySet<Address>, logs: readonly Log[], seen: number): void {
    this.#head = head
    this.#observedAt = this.#options.now()
    this.#failure = undefined
    if (changed.size > 0) this.#prices = undefined
    const change: MarketChange = { head, changed, logs, receivedAt: seen }
    for (const listener of this.#listeners) listener(change)
  }

  /** Applies logs in order and returns the pools they changed. */
  #apply(logs: readonly Log[], undo: Map<Address, Pool | undefined>): Set<Address> {
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

  /** Adds the pools whose creation is among `logs`. */
  async #learn(logs: readonly Log[], head: Head): Promise<void> {
    const { exchanges, balancer, wrappedNative } = this.manifest
    const made = logs.flatMap((log) => createdPool(exchanges, this.#tokens, wrappedNative, log) ?? [])
    const vault = exchanges.find((exchange) => exchange.kind === 'balancer-v2')
    if (balancer && vault) {
      const deposits = logs
        .filter(
          (log) =>
            log.address === balancer.vault &&
            log.topics[0] === VAULT_DEPOSIT &&
            this.#registry.poolOf(log) === log.address,
        )
        .map(registrationOf)
      const fresh = [...new Map(deposits.map((entry) => [entry.id, entry])).values()].filter(
        ({ id, tokens }) => !this.#examinedIds.has(id) && tokens.every((token) => this.#tokens.has(token)),
      )
      if (fresh.length > 0)
        made.push(...(await describeVaultPools(this.#options, this.manifest, vault, fresh, head.number)))
      for (const { id } of fresh) this.#examinedIds.add(id)
    }
    const added = made.filter((pool) => !this.#descriptors.has(pool.address))
    if (added.length === 0) return
    for (const pool of added) {
      this.#descriptors.set(pool.address, pool)
      this.#registry.add(pool)
    }
    this.manifest = { ...this.manifest, pools: [...this.manifest.pools, ...added] }
  }

  /** Reads pools without a state that `logs` mention: just created, or filled for the first time. */
  async #readNew(
    logs: readonly Log[],
    head: Head,
    changed: Set<Address>,
    undo: Map<Address, Pool | undefined>,
  ): Promise<void> {
    const mentioned = new Set(logs.map((log) => this.#registry.poolOf(log)))
    const wanted = [...mentioned].flatMap((address) =>
      this.#pools.has(address) ? [] : (this.#descriptors.get(address) ?? []),
    )
    if (wanted.length === 0) return
    await this.#fees.findPlugins(wanted, this.manifest)
    for (const [address, pool] of await readPools(this.#options, this.manifest, wanted, head.number)) {
      undo.set(address, undefined)
      this.#pools.set(address, pool)
      changed.add(address)
    }
  }

  /** Applies the fees that plugins set. */
  #setFees(
    fees: ReadonlyMap<Address, number>,
    changed: Set<Address>,
    undo: Map<Address, Pool | undefined>,
  ): void {
    for (const [address, feePips] of fees) {
      const pool = this.#pools.get(address)
      if (pool?.kind !== 'concentrated' || pool.feePips === feePips) continue
      if (!undo.has(address)) undo.set(address, pool)
      this.#pools.set(address, { ...pool, feePips })
      changed.add(address)
    }
  }

  async #resync(head: Head): Promise<void> {
    const { chain } = this.#options
    const genesis = await chain.block(Number(this.manifest.genesisBlock)).catch(() => undefined)
    if (genesis?.hash !== this.manifest.genesis) {
      throw new KintsugiError('chain-replaced', 'this is not the chain that the market was built on', {
        retry: 'later',
      })
    }
    if (head.number > this.#createdUpTo) {
      const makers = this.manifest.exchanges.map((exchange) =>
        'factory' in exchange ? exchange.factory : 'manager' in exchange ? exchange.manager : exchange.vault,
      )
      const topics = [[...CREATION_EVENTS, VAULT_DEPOSIT]]
      if (makers.length > 0)
        await this.#learn(
          await chain.logs({
            fromBlock: this.#createdUpTo + 1,
            toBlock: head.number,
            address: makers,
            topics,
          }),
          head,
        )
      this.#createdUpTo = head.number
    }
    const fresh = await readPools(this.#options, this.manifest, this.manifest.pools, head.number)
    await this.#fees.findPlugins(this.manifest.pools, this.manifest)
    this.#pools = fresh
    this.#setFees(await this.#fees.read(this.manifest), new Set(), new Map())
    this.#past = [{ head, undo: new Map() }]
    this.#prices = undefined
    this.resyncs++
    this.#advance(head, new Set(fresh.keys()), [], this.#options.now())
  }

  /** The descriptor of a pool of this market. */
  descriptor(pool: Address): PoolDescriptor | undefined {
    return this.#descriptors.get(pool)
  }
}
