/**
 * An EVM node over JSON-RPC: a WebSocket for calls and new heads if the URL is one, otherwise HTTP and
 * polling.
 */
import type { Address } from '../../amm/index.ts'
import type {
  BlockTag,
  Call,
  Chain,
  ChainLink,
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
import { KintsugiError } from '../../std/errors.ts'
import { PendingRequests } from '../../std/line-rpc.ts'
import { addressOf, failureText } from '../connection-failure.ts'
import {
  headOf,
  hex,
  logOf,
  pendingOf,
  type RawBlock,
  type RawLog,
  type RawReceipt,
  type RawSimulation,
  type RawTransaction,
  receiptOf,
  simulationOf,
  tagOf,
} from './json-rpc-codec.ts'

interface RpcAnswer {
  id?: number
  method?: string
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
  params?: { subscription: Hex; result: RawBlock | RawTransaction | Hex }
}

const RECONNECT = { firstMs: 100, maxMs: 2_000 }
const POLL_MS = 1_000
/** A connection without a message for this long is asked for the head; it has this long to answer, in ms. */
const SILENCE_MS = 4_000
const HEAD_MS = 3_000
const WATCH_MS = 1_000
/** Maximum queries of pending transactions by hash. */
const MAX_LOOKUPS_PER_SECOND = 50
/** Messages of nodes whose limit a log query exceeds: too many blocks, or too many results. */
const LOG_LIMIT = /range|too (many|large|wide)|limit|more than|exceed|maximum|up to/i
const BLOCK_LIMIT = /block range|range is|blocks? (range|span)|range.*block|block.*range/i

export interface JsonRpcOptions {
  /** ws://, wss://, http:// or https://. */
  url: string
  /**
   * URL for calls; default: the WebSocket. anvil sometimes answers a small call over its WebSocket 40 ms late
   * (the answer waits for an acknowledgement that the client delays), over HTTP never.
   */
  httpUrl?: string
  /** Deadline of a call in ms. */
  timeoutMs?: number
  /** Polling interval for the head without a WebSocket, in ms. */
  pollMs?: number
  /** Whether to subscribe to pending transactions. */
  pending?: boolean
}

export class JsonRpcChain implements Chain {
  readonly #url: string
  readonly #http: string
  readonly #callsOverHttp: boolean
  readonly #usesSocket: boolean
  readonly #timeoutMs: number
  readonly #pollMs: number
  readonly #followPending: boolean
  readonly #requests: PendingRequests<RpcAnswer>
  readonly #headListeners = new Set<(head: Head) => void>()
  readonly #pendingListeners = new Set<(transaction: PendingTransaction) => void>()
  #pendingId: Hex | undefined
  #lookUps = { second: 0, count: 0 }
  readonly #linkListeners = new Set<(link: ChainLink) => void>()
  #socket: WebSocket | undefined
  /** Maximum blocks per log query, as learned from refusals. */
  #maxBlocks = Number.POSITIVE_INFINITY
  #attempt = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined
  /** When the WebSocket last brought a message, in ms of the process's clock. */
  #heardAt = 0
  #watchdog: NodeJS.Timeout | undefined
  #lastHead = -1
  #lastHash: Hex | undefined
  link: ChainLink = 'disconnected'

  constructor({ url, httpUrl, timeoutMs = 10_000, pollMs = POLL_MS, pending = true }: JsonRpcOptions) {
    this.#followPending = pending
    this.#pollMs = pollMs
    this.#url = url
    this.#http = httpUrl ?? url.replace(/^ws/, 'http')
    this.#callsOverHttp = httpUrl !== undefined
    this.#usesSocket = /^wss?:/.test(url)
    this.#timeoutMs = timeoutMs
    this.#requests = new PendingRequests({ timeoutMs, unreachable })
  }

  async chainId(): Promise<number> {
    return Number(await this.#request<Hex>('eth_chainId'))
  }

  async block(tag: BlockTag): Promise<Head> {
    const raw = await this.#request<RawBlock | null>('eth_getBlockByNumber', tagOf(tag), false)
    if (!raw) throw new KintsugiError('block-not-found', `the node has no block ${tag}`, { retry: 'later' })
    return headOf(raw)
  }

  /**
   * Splits the query if the node's limit on blocks or results requires it, and remembers its limit on blocks.
   */
  async logs({ fromBlock, toBlock, address, topics }: LogFilter): Promise<Log[]> {
    const found: Log[] = []
    let [from, span] = [fromBlock, Math.min(toBlock - fromBlock + 1, this.#maxBlocks)]
    while (from <= toBlock) {
      const to = Math.min(toBlock, from + span - 1)
      try {
        const filter = {
          fromBlock: hex(from),
          toBlock: hex(to),
          ...(address ? { address } : {}),
          ...(topics ? { topics } : {}),
        }
        found.push(...(await this.#request<RawLog[]>('eth_getLogs', filter)).map(logOf))
        from = to + 1
      } catch (error) {
        const isTooLarge =
          error instanceof KintsugiError && error.code === 'rpc-failed' && LOG_LIMIT.test(error.message)
        if (!isTooLarge || to === from) throw error
        span = Math.ceil((to - from + 1) / 2)
        // A limit on blocks holds for every query, a limit on results for this one.
        if (BLOCK_LIMIT.test(error.message)) this.#maxBlocks = Math.min(this.#maxBlocks, span)
      }
    }
    return found
  }

  async call({ gas, ...call }: Call, tag: BlockTag, code?: Readonly<Record<Address, Hex>>): Promise<Hex> {
    const overrides =
      code && Object.fromEntries(Object.entries(code).map(([account, bytes]) => [account, { code: bytes }]))
    return this.#request<Hex>(
      'eth_call',
      { ...call, ...(gas === undefined ? {} : { gas: hex(gas) }) },
      tagOf(tag),
      ...(overrides ? [overrides] : []),
    )
  }

  async simulate(
    calls: readonly SimulatedCall[],
    on: 'pending' | 'latest',
    lent: Readonly<Record<Address, LentContract>> = {},
  ): Promise<Simulation[]> {
    const encoded = calls.map(({ gas, value, ...call }) => ({
      ...call,
      ...(gas === undefined ? {} : { gas: hex(gas) }),
      ...(value ? { value: hex(value) } : {}),
    }))
    const overrides =
      Object.keys(lent).length === 0
        ? undefined
        : Object.fromEntries(
            Object.entries(lent).map(([at, { code, storage }]) => [at, { code, stateDiff: storage }]),
          )
    const blocks = await this.#request<{ calls: RawSimulation[] }[]>(
      'eth_simulateV1',
      {
        blockStateCalls: [{ calls: encoded, ...(overrides ? { stateOverrides: overrides } : {}) }],
        traceTransfers: false,
        validation: false,
      },
      on,
    )
    const results = blocks[0]?.calls ?? []
    if (results.length !== calls.length)
      throw new KintsugiError(
        'rpc-failed',
        `eth_simulateV1 answered ${results.length} of ${calls.length} calls`,
        { retry: 'later' },
      )
    return results.map(simulationOf)
  }

  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void {
    if (!this.#followPending) return () => undefined
    this.#pendingListeners.add(onTransaction)
    if (this.#pendingListeners.size === 1) this.#subscribePending()
    return () => this.#pendingListeners.delete(onTransaction)
  }

  async rawTransaction(hash: Hex): Promise<Hex | undefined> {
    return (await this.#request<Hex | null>('eth_getRawTransactionByHash', hash)) ?? undefined
  }

  /** Subscribes to pending transactions; a node without that subscription has none. */
  #subscribePending(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#pendingListeners.size === 0) return
    // Full transactions if the node has them, otherwise their hashes.
    this.#request<Hex>('eth_subscribe', 'newPendingTransactions', true)
      .catch(() => this.#request<Hex>('eth_subscribe', 'newPendingTransactions'))
      .then(
        (id) => {
          this.#pendingId = id
        },
        () => undefined,
      )
  }

  /** Limits queries by hash: a busy node sends a hundred hashes a second. */
  #mayLookUp(): boolean {
    const second = Math.floor(performance.now() / 1_000)
    if (second !== this.#lookUps.second) this.#lookUps = { second, count: 0 }
    return ++this.#lookUps.count <= MAX_LOOKUPS_PER_SECOND
  }

  async #onPending(found: Hex | RawTransaction): Promise<void> {
    if (typeof found === 'string' && !this.#mayLookUp()) return
    const raw =
      typeof found === 'string'
        ? await this.#request<RawTransaction | null>('eth_getTransactionByHash', found)
        : found
    if (!raw || raw.blockNumber) return
    const transaction = pendingOf(raw)
    for (const listener of this.#pendingListeners) listener(transaction)
  }

  async balance(account: Address, tag: BlockTag): Promise<bigint> {
    return BigInt(await this.#request<Hex>('eth_getBalance', account, tagOf(tag)))
  }

  async transactionCount(account: Address, tag: BlockTag): Promise<number> {
    return Number(await this.#request<Hex>('eth_getTransactionCount', account, tagOf(tag)))
  }

  async send(raw: Hex): Promise<Hex> {
    return this.#request<Hex>('eth_sendRawTransaction', raw)
  }

  async receipt(hash: Hex): Promise<Receipt | undefined> {
    const raw = await this.#request<RawReceipt | null>('eth_getTransactionReceipt', hash)
    return raw ? receiptOf(raw) : undefined
  }

  watch(onHead: (head: Head) => void, onLink?: (link: ChainLink) => void): () => void {
    this.#headListeners.add(onHead)
    if (onLink) this.#linkListeners.add(onLink)
    if (this.#headListeners.size === 1 && this.#timer === undefined && !this.#socket) this.#connect()
    return () => {
      this.#headListeners.delete(onHead)
      if (onLink) this.#linkListeners.delete(onLink)
    }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#timer)
    clearInterval(this.#watchdog)
    this.#socket?.close()
    this.#requests.rejectAll('the connection was closed')
  }

  #connect(): void {
    if (this.#closed) return
    if (!this.#usesSocket) {
      void this.#poll()
      return
    }
    const socket = new WebSocket(this.#url)
    this.#socket = socket
    socket.addEventListener('open', () => {
      this.#attempt = 0
      this.#request('eth_subscribe', 'newHeads')
        .then(() => this.block('latest'))
        .then((head) => {
          this.#setLink('connected')
          this.#announce(head)
          this.#subscribePending()
        })
        .catch(() => socket.close())
    })
    socket.addEventListener('message', (event) => this.#receive(JSON.parse(String(event.data))))
    const lost = () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#setLink('disconnected')
      this.#requests.rejectAll('the connection to the node was lost')
      if (!this.#closed)
        this.#timer = setTimeout(() => this.#connect(), backoffDelay(++this.#attempt, RECONNECT, Math.random))
    }
    socket.addEventListener('close', lost)
    socket.addEventListener('error', lost)
    this.#watchSilence(socket, lost)
  }

  /** A node may hang, or vanish, without closing the connection: one that stays silent is given up. */
  #watchSilence(socket: WebSocket, lost: () => void): void {
    this.#heardAt = performance.now()
    clearInterval(this.#watchdog)
    const giveUp = () => {
      lost()
      socket.close()
    }
    this.#watchdog = setInterval(() => {
      if (this.#socket !== socket) return
      const silentMs = performance.now() - this.#heardAt
      if (silentMs > SILENCE_MS + HEAD_MS) giveUp()
      else if (silentMs > SILENCE_MS && socket.readyState === WebSocket.OPEN)
        this.#requests.request((id) => socket.send(bodyOf(id, 'eth_blockNumber', []))).catch(() => undefined)
    }, WATCH_MS)
    this.#watchdog.unref()
  }

  async #poll(): Promise<void> {
    try {
      const head = await this.#headInTime()
      this.#setLink('connected')
      if (head.hash !== this.#lastHash) this.#announce(head)
    } catch {
      this.#setLink('disconnected')
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#poll(), this.#pollMs)
  }

  /** The head, for polling: a node that hangs counts as lost long before a call's own deadline. */
  async #headInTime(): Promise<Head> {
    const late = Promise.withResolvers<never>()
    const timer = setTimeout(() => late.reject(unreachable(`no answer within ${HEAD_MS} ms`)), HEAD_MS)
    return Promise.race([this.block('latest'), late.promise]).finally(() => clearTimeout(timer))
  }

  #announce(head: Head): void {
    this.#lastHead = head.number
    this.#lastHash = head.hash
    for (const listener of this.#headListeners) listener(head)
  }

  #setLink(link: ChainLink): void {
    if (this.link === link) return
    this.link = link
    for (const listener of this.#linkListeners) listener(link)
  }

  #receive(answer: RpcAnswer): void {
    this.#heardAt = performance.now()
    if (answer.method === 'eth_subscription' && answer.params) {
      if (answer.params.subscription === this.#pendingId) {
        this.#onPending(answer.params.result as Hex | RawTransaction).catch(() => undefined)
        return
      }
      const head = headOf(answer.params.result as RawBlock)
      if (head.number !== this.#lastHead || head.hash !== this.#lastHash) this.#announce(head)
      return
    }
    this.#requests.resolve(answer.id ?? -1, answer)
  }

  async #request<T>(method: string, ...params: unknown[]): Promise<T> {
    const socket = this.#socket
    const overSocket =
      socket?.readyState === WebSocket.OPEN && (!this.#callsOverHttp || method === 'eth_subscribe')
    const answer = overSocket
      ? await this.#requests.request((id) => socket.send(bodyOf(id, method, params)))
      : await this.#post(bodyOf(0, method, params))
    if (answer.error) throw rpcError(answer.error)
    return answer.result as T
  }

  async #post(body: string): Promise<RpcAnswer> {
    try {
      const response = await fetch(this.#http, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      return (await response.json()) as RpcAnswer
    } catch (error) {
      throw unreachable(
        failureText(error, addressOf(this.#http, this.#http.startsWith('https') ? 443 : 80)),
        error,
      )
    }
  }
}

const bodyOf = (id: number, method: string, params: readonly unknown[]): string =>
  JSON.stringify({ jsonrpc: '2.0', id, method, params })

function unreachable(message: string, cause?: unknown): KintsugiError {
  return new KintsugiError('chain-unreachable', `the chain cannot be reached: ${message}`, {
    retry: 'later',
    cause,
    hint: 'is the node running? see `kintsugi status`',
  })
}

function rpcError(error: { code: number; message: string; data?: unknown }): KintsugiError {
  return new KintsugiError('rpc-failed', error.message, {
    retry: 'never',
    data: { rpcCode: error.code, ...(error.data === undefined ? {} : { revert: error.data }) },
  })
}
