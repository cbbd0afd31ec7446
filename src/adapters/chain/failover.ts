/**
 * Several nodes as one: calls go to the first healthy one within its budget, transactions to all, heads come
 * from the fastest.
 */

import type { Address } from '../../amm/index.ts'
import type {
  BlockTag,
  Call,
  Chain,
  ChainLink,
  EndpointStatus,
  Head,
  Hex,
  LentContract,
  Log,
  LogFilter,
  PendingTransaction,
  Receipt,
  SimulatedCall,
  Simulation,
} from '../../ports/chain.ts'
import { backoffDelay } from '../../std/backoff.ts'
import { KintsugiError, messageOf, toErrorReport } from '../../std/errors.ts'

export interface Endpoint {
  /** Name for logs and status: never the URL, which may contain a key. */
  readonly name: string
  readonly chain: Chain
}

export interface CallBudget {
  /** 0: unlimited. */
  readonly perSecond: number
  readonly perDay: number
}

export interface FailoverOptions {
  readonly budget: CallBudget
  now(): number
  random(): number
  onNote(note: string): void
}

const COOL_DOWN = { firstMs: 500, maxMs: 60_000 }
/** How often, in heads, the endpoints are compared, and at which depth below the head. */
const CHECK_EVERY = 20
const CHECK_DEPTH = 2
const DAY_MS = 86_400_000
/** Messages of nodes whose quota is used up. */
const QUOTA = /rate.?limit|too many requests|quota|429|exceeded.*(limit|credits)|capacity/i

class Tracked {
  readonly name: string
  readonly chain: Chain
  failures = 0
  restUntil = 0
  calls = 0
  callsToday = 0
  today = 0
  lastError: string | undefined
  setAside = false
  /** Tokens of the bucket that limits calls per second. */
  tokens: number
  filledAt = 0

  constructor({ name, chain }: Endpoint, perSecond: number) {
    this.name = name
    this.chain = chain
    this.tokens = perSecond
  }
}

export class FailoverChain implements Chain {
  readonly #endpoints: readonly Tracked[]
  readonly #options: FailoverOptions
  readonly #stops: (() => void)[] = []
  readonly #seen = new Set<Hex>()
  #heads = 0
  #disagreement: string | undefined
  #lastLink: ChainLink = 'disconnected'

  constructor(endpoints: readonly Endpoint[], options: FailoverOptions) {
    this.#options = options
    this.#endpoints = endpoints.map((endpoint) => new Tracked(endpoint, options.budget.perSecond))
  }

  /** Also `disconnected` while the nodes disagree about the chain, so that nothing is traded. */
  get link(): ChainLink {
    return this.#disagreement === undefined &&
      this.#endpoints.some(({ chain, setAside }) => !setAside && chain.link === 'connected')
      ? 'connected'
      : 'disconnected'
  }

  endpoints(): readonly EndpointStatus[] {
    const now = this.#options.now()
    return this.#endpoints.map((endpoint) => ({
      name: endpoint.name,
      state: endpoint.setAside ? 'disagrees' : endpoint.restUntil > now ? 'resting' : endpoint.chain.link,
      calls: endpoint.calls,
      callsToday: endpoint.callsToday,
      callsLeftToday:
        this.#options.budget.perDay > 0
          ? Math.max(0, this.#options.budget.perDay - endpoint.callsToday)
          : null,
      failures: endpoint.failures,
      ...(endpoint.lastError ? { lastError: endpoint.lastError } : {}),
    }))
  }

  chainId = () => this.#ask((chain) => chain.chainId())
  block = (tag: BlockTag) => this.#ask((chain) => chain.block(tag))
  logs = (filter: LogFilter): Promise<Log[]> => this.#ask((chain) => chain.logs(filter))
  call = (call: Call, tag: BlockTag, code?: Readonly<Record<Address, Hex>>) =>
    this.#ask((chain) => chain.call(call, tag, code))
  simulate = (
    calls: readonly SimulatedCall[],
    on: 'pending' | 'latest',
    lent?: Readonly<Record<Address, LentContract>>,
  ): Promise<Simulation[]> => this.#ask((chain) => chain.simulate(calls, on, lent))
  rawTransaction = (hash: Hex): Promise<Hex | undefined> => this.#ask((chain) => chain.rawTransaction(hash))
  balance = (account: Address, tag: BlockTag) => this.#ask((chain) => chain.balance(account, tag))
  transactionCount = (account: Address, tag: BlockTag) =>
    this.#ask((chain) => chain.transactionCount(account, tag))
  receipt = (hash: Hex): Promise<Receipt | undefined> => this.#ask((chain) => chain.receipt(hash))

  /** Sends to every node, which speeds up inclusion. Succeeds if one accepts the transaction. */
  async send(raw: Hex): Promise<Hex> {
    const usable = this.#endpoints.filter((endpoint) => !endpoint.setAside)
    const answers = await Promise.allSettled(
      usable.map((endpoint) => this.#count(endpoint, () => endpoint.chain.send(raw))),
    )
    const taken = answers.find((answer) => answer.status === 'fulfilled')
    if (taken) return taken.value
    throw (answers[0] as PromiseRejectedResult).reason
  }

  watch(onHead: (head: Head) => void, onLink?: (link: ChainLink) => void): () => void {
    const stops = this.#endpoints.map((endpoint) =>
      endpoint.chain.watch(
        (head) => {
          if (endpoint.setAside || this.#seen.has(head.hash)) return
          this.#seen.add(head.hash)
          if (this.#seen.size > 1_000) this.#seen.delete(this.#seen.values().next().value as Hex)
          if (++this.#heads % CHECK_EVERY === 0) void this.#compare(head.number - CHECK_DEPTH)
          onHead(head)
        },
        () => this.#tellLink(onLink),
      ),
    )
    const stop = () => {
      for (const one of stops) one()
    }
    this.#stops.push(stop)
    return stop
  }

  /** Follows all nodes: each sees some transactions first. */
  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void {
    const seen = new Set<Hex>()
    const stops = this.#endpoints.map((endpoint) =>
      endpoint.chain.watchPending((transaction) => {
        if (endpoint.setAside || seen.has(transaction.hash)) return
        seen.add(transaction.hash)
        if (seen.size > 10_000) seen.delete(seen.values().next().value as Hex)
        onTransaction(transaction)
      }),
    )
    return () => {
      for (const stop of stops) stop()
    }
  }

  close(): void {
    for (const stop of this.#stops) stop()
    for (const { chain } of this.#endpoints) chain.close()
  }

  #tellLink(onLink?: (link: ChainLink) => void): void {
    const link = this.link
    if (link === this.#lastLink) return
    this.#lastLink = link
    onLink?.(link)
  }

  /** Calls the endpoints in order, except suspended ones, disagreeing ones and those over their budget. */
  async #ask<T>(question: (chain: Chain) => Promise<T>): Promise<T> {
    const now = this.#options.now()
    let last: unknown
    const rested = this.#endpoints.filter((endpoint) => !endpoint.setAside && endpoint.restUntil <= now)
    // If all are suspended, the one suspended longest is tried.
    const order =
      rested.length > 0
        ? rested
        : [...this.#endpoints]
            .filter((endpoint) => !endpoint.setAside)
            .sort((a, b) => a.restUntil - b.restUntil)
    for (const endpoint of order) {
      if (!this.#allowed(endpoint)) {
        last ??= new KintsugiError('quota-used-up', `${endpoint.name}: the call budget is used up`, {
          retry: 'later',
          hint: 'raise RPC_CALLS_PER_DAY or RPC_CALLS_PER_SECOND, or add an endpoint',
        })
        continue
      }
      try {
        return await this.#count(endpoint, () => question(endpoint.chain))
      } catch (error) {
        last = error
        const { code, message } = toErrorReport(error)
        // Every node would refuse the call itself.
        if (code === 'rpc-failed' && !QUOTA.test(message)) throw error
      }
    }
    throw (
      last ??
      new KintsugiError('chain-unreachable', 'no endpoint of the chain is available', { retry: 'later' })
    )
  }

  async #count<T>(endpoint: Tracked, work: () => Promise<T>): Promise<T> {
    const day = Math.floor(this.#options.now() / DAY_MS)
    if (endpoint.today !== day) [endpoint.today, endpoint.callsToday] = [day, 0]
    endpoint.calls++
    endpoint.callsToday++
    try {
      const result = await work()
      if (endpoint.failures > 0) this.#options.onNote(`${endpoint.name} is available again`)
      endpoint.failures = 0
      endpoint.restUntil = 0
      return result
    } catch (error) {
      const { code, message } = toErrorReport(error)
      if (code === 'chain-unreachable' || QUOTA.test(message)) {
        endpoint.failures++
        endpoint.lastError = message
        endpoint.restUntil =
          this.#options.now() + backoffDelay(endpoint.failures, COOL_DOWN, () => this.#options.random())
        if (endpoint.failures === 1) this.#options.onNote(`${endpoint.name} is suspended: ${message}`)
      }
      throw error
    }
  }

  #allowed(endpoint: Tracked): boolean {
    const { perSecond, perDay } = this.#options.budget
    const now = this.#options.now()
    if (perDay > 0 && endpoint.today === Math.floor(now / DAY_MS) && endpoint.callsToday >= perDay)
      return false
    if (perSecond <= 0) return true
    endpoint.tokens = Math.min(perSecond, endpoint.tokens + ((now - endpoint.filledAt) / 1_000) * perSecond)
    endpoint.filledAt = now
    if (endpoint.tokens < 1) return false
    endpoint.tokens--
    return true
  }

  /**
   * Compares a block of all endpoints. The minority is excluded; without a majority none is trusted until
   * they agree.
   */
  async #compare(number: number): Promise<void> {
    if (this.#endpoints.length < 2 || number < 0) return
    const answers = await Promise.all(
      this.#endpoints.map(async (endpoint) => {
        const hash = await this.#count(endpoint, () => endpoint.chain.block(number)).then(
          (head) => head.hash,
          () => undefined,
        )
        return { endpoint, hash }
      }),
    )
    const votes = Map.groupBy(
      answers.filter(({ hash }) => hash !== undefined),
      ({ hash }) => hash,
    )
    const ranked = [...votes.values()].sort((a, b) => b.length - a.length)
    const [leading, second] = ranked
    const before = this.#disagreement
    this.#disagreement =
      leading && second && leading.length === second.length
        ? `the endpoints disagree about block ${number}`
        : undefined
    if (this.#disagreement && !before) this.#options.onNote(this.#disagreement)
    for (const { endpoint, hash } of answers) {
      const odd =
        this.#disagreement === undefined &&
        hash !== undefined &&
        leading !== undefined &&
        hash !== leading[0]?.hash
      if (odd && !endpoint.setAside)
        this.#options.onNote(`${endpoint.name} is excluded: its block ${number} differs from the others`)
      endpoint.setAside = odd
    }
  }
}

/** Host and port of a URL, for display: its path and query may contain a key. */
export function endpointName(url: string): string {
  try {
    return new URL(url).host
  } catch (error) {
    return messageOf(error)
  }
}
