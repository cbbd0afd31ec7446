/** An EVM node over JSON-RPC: one WebSocket for calls and new heads where the URL has one, HTTP and polling elsewhere. */
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
import { KintsugiError, messageOf } from '../../std/errors.ts'

interface RawBlock {
  number: Hex
  hash: Hex
  parentHash: Hex
  timestamp: Hex
  baseFeePerGas?: Hex
}
interface RawLog {
  address: Hex
  topics: Hex[]
  data: Hex
  blockNumber: Hex
  blockHash: Hex
  transactionHash: Hex
  transactionIndex: Hex
  logIndex: Hex
}
interface RawReceipt {
  transactionHash: Hex
  status: Hex
  blockNumber: Hex
  blockHash: Hex
  transactionIndex: Hex
  gasUsed: Hex
  effectiveGasPrice: Hex
  /** Rollups of the OP stack. */
  l1Fee?: Hex
  logs: RawLog[]
}
interface RawTransaction {
  hash: Hex
  from: Hex
  to: Hex | null
  input: Hex
  value: Hex
  gas: Hex
  gasPrice?: Hex
  maxFeePerGas?: Hex
  maxPriorityFeePerGas?: Hex
  blockNumber?: Hex | null
}
interface Answer {
  id?: number
  method?: string
  result?: unknown
  error?: { code: number; message: string; data?: unknown }
  params?: { subscription: Hex; result: RawBlock | RawTransaction | Hex }
}
interface Pending {
  resolve(value: unknown): void
  reject(error: Error): void
  timer: NodeJS.Timeout
}

const RECONNECT = { firstMs: 100, maxMs: 2_000 }
const POLL_MS = 1_000
/** Pending transactions that are asked for by their hash. */
const MAX_LOOKUPS_PER_SECOND = 50
/** What nodes say where a question about logs is too large: a range of too many blocks, or too many results. */
const LOG_LIMIT = /range|too (many|large|wide)|limit|more than|exceed|maximum|up to/i
const BLOCK_LIMIT = /block range|range is|blocks? (range|span)|range.*block|block.*range/i

const hex = (value: bigint | number): Hex => `0x${value.toString(16)}`
const tagOf = (tag: BlockTag) => (typeof tag === 'number' ? hex(tag) : tag)
const headOf = (raw: RawBlock): Head => ({
  number: Number(raw.number),
  hash: raw.hash,
  parentHash: raw.parentHash,
  timestamp: Number(raw.timestamp),
  baseFeePerGas: BigInt(raw.baseFeePerGas ?? 0),
})
const logOf = (raw: RawLog): Log => ({
  address: raw.address.toLowerCase() as Address,
  topics: raw.topics,
  data: raw.data,
  blockNumber: Number(raw.blockNumber),
  blockHash: raw.blockHash,
  transactionHash: raw.transactionHash,
  transactionIndex: Number(raw.transactionIndex),
  logIndex: Number(raw.logIndex),
})

const pendingOf = (raw: RawTransaction): PendingTransaction => ({
  hash: raw.hash,
  from: raw.from.toLowerCase() as Address,
  to: raw.to === null ? null : (raw.to.toLowerCase() as Address),
  data: raw.input,
  value: BigInt(raw.value),
  gas: BigInt(raw.gas),
  // Those of the old kind pay one price, whatever the base fee.
  maxFeePerGas: BigInt(raw.maxFeePerGas ?? raw.gasPrice ?? 0),
  maxPriorityFeePerGas: BigInt(raw.maxPriorityFeePerGas ?? raw.gasPrice ?? 0),
})

export interface JsonRpcOptions {
  /** ws://, wss://, http:// or https://. */
  url: string
  /**
   * Where calls go, if not over the socket. anvil answers a small call over its WebSocket 40 ms late now and then (the
   * answer waits for an acknowledgement that the client delays); over HTTP it does not.
   */
  httpUrl?: string
  /** A call's deadline in ms. */
  timeoutMs?: number
  /** How often a node without WebSocket is asked for its head, in ms. */
  pollMs?: number
  /** Whether pending transactions may be asked for. */
  pending?: boolean
}

export class JsonRpcChain implements Chain {
  readonly #url: string
  readonly #http: string
  readonly #callsOverHttp: boolean
  readonly #socketWanted: boolean
  readonly #timeoutMs: number
  readonly #pollMs: number
  readonly #pendingWanted: boolean
  readonly #pending = new Map<number, Pending>()
  readonly #headListeners = new Set<(head: Head) => void>()
  readonly #pendingListeners = new Set<(transaction: PendingTransaction) => void>()
  #pendingId: Hex | undefined
  #lookUps = { second: 0, count: 0 }
  readonly #linkListeners = new Set<(link: ChainLink) => void>()
  #socket: WebSocket | undefined
  /** As many blocks as the node was found to answer for at once. */
  #mostBlocks = Number.POSITIVE_INFINITY
  #nextId = 1
  #attempt = 0
  #closed = false
  #timer: NodeJS.Timeout | undefined
  #lastHead = -1
  #lastHash: Hex | undefined
  link: ChainLink = 'disconnected'

  constructor({ url, httpUrl, timeoutMs = 10_000, pollMs = POLL_MS, pending = true }: JsonRpcOptions) {
    this.#pendingWanted = pending
    this.#pollMs = pollMs
    this.#url = url
    this.#http = httpUrl ?? url.replace(/^ws/, 'http')
    this.#callsOverHttp = httpUrl !== undefined
    this.#socketWanted = /^wss?:/.test(url)
    this.#timeoutMs = timeoutMs
  }

  async chainId(): Promise<number> {
    return Number(await this.#request<Hex>('eth_chainId'))
  }

  async block(tag: BlockTag): Promise<Head> {
    const raw = await this.#request<RawBlock | null>('eth_getBlockByNumber', tagOf(tag), false)
    if (!raw) throw new KintsugiError('block-not-found', `the node has no block ${tag}`, { retry: 'later' })
    return headOf(raw)
  }

  /** In as many questions as the node's limit on blocks or on results makes necessary; what it once refused is not asked again. */
  async logs({ fromBlock, toBlock, address, topics }: LogFilter): Promise<Log[]> {
    const found: Log[] = []
    let [from, span] = [fromBlock, Math.min(toBlock - fromBlock + 1, this.#mostBlocks)]
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
        const tooMuch =
          error instanceof KintsugiError && error.code === 'rpc-failed' && LOG_LIMIT.test(error.message)
        if (!tooMuch || to === from) throw error
        span = Math.ceil((to - from + 1) / 2)
        // A limit on blocks holds for every question, one on results only for this one.
        if (BLOCK_LIMIT.test(error.message)) this.#mostBlocks = Math.min(this.#mostBlocks, span)
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
    const blocks = await this.#request<
      { calls: { status: Hex; gasUsed: Hex; logs: RawLog[]; error?: { message: string } }[] }[]
    >(
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
    return results.map((result) => ({
      succeeded: result.status === '0x1',
      gasUsed: BigInt(result.gasUsed),
      logs: result.logs.map((log) =>
        logOf({
          ...log,
          transactionIndex: log.transactionIndex ?? '0x0',
          blockNumber: log.blockNumber ?? '0x0',
        }),
      ),
      ...(result.error ? { error: result.error.message } : {}),
    }))
  }

  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void {
    if (!this.#pendingWanted) return () => undefined
    this.#pendingListeners.add(onTransaction)
    if (this.#pendingListeners.size === 1) this.#subscribePending()
    return () => this.#pendingListeners.delete(onTransaction)
  }

  async rawTransaction(hash: Hex): Promise<Hex | undefined> {
    return (await this.#request<Hex | null>('eth_getRawTransactionByHash', hash)) ?? undefined
  }

  /** A node that does not tell of pending transactions is one without them. */
  #subscribePending(): void {
    if (this.#socket?.readyState !== WebSocket.OPEN || this.#pendingListeners.size === 0) return
    // Whole, where the node does that; else their hashes.
    this.#request<Hex>('eth_subscribe', 'newPendingTransactions', true)
      .catch(() => this.#request<Hex>('eth_subscribe', 'newPendingTransactions'))
      .then(
        (id) => {
          this.#pendingId = id
        },
        () => undefined,
      )
  }

  /** A busy node tells of a hundred hashes a second and more, and each is a question. */
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
    if (!raw) return undefined
    return {
      transactionHash: raw.transactionHash,
      succeeded: raw.status === '0x1',
      blockNumber: Number(raw.blockNumber),
      blockHash: raw.blockHash,
      transactionIndex: Number(raw.transactionIndex),
      gasUsed: BigInt(raw.gasUsed),
      effectiveGasPrice: BigInt(raw.effectiveGasPrice),
      dataFee: BigInt(raw.l1Fee ?? 0),
      logs: raw.logs.map(logOf),
    }
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
    this.#socket?.close()
    this.#failPending('the connection was closed')
  }

  #connect(): void {
    if (this.#closed) return
    if (!this.#socketWanted) {
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
      this.#failPending('the connection to the node was lost')
      if (!this.#closed)
        this.#timer = setTimeout(() => this.#connect(), backoffDelay(++this.#attempt, RECONNECT, Math.random))
    }
    socket.addEventListener('close', lost)
    socket.addEventListener('error', lost)
  }

  async #poll(): Promise<void> {
    try {
      const head = await this.block('latest')
      this.#setLink('connected')
      if (head.hash !== this.#lastHash) this.#announce(head)
    } catch {
      this.#setLink('disconnected')
    }
    if (!this.#closed) this.#timer = setTimeout(() => void this.#poll(), this.#pollMs)
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

  #receive(answer: Answer): void {
    if (answer.method === 'eth_subscription' && answer.params) {
      if (answer.params.subscription === this.#pendingId) {
        this.#onPending(answer.params.result as Hex | RawTransaction).catch(() => undefined)
        return
      }
      const head = headOf(answer.params.result as RawBlock)
      if (head.number !== this.#lastHead || head.hash !== this.#lastHash) this.#announce(head)
      return
    }
    const pending = this.#pending.get(answer.id ?? -1)
    if (!pending) return
    this.#pending.delete(answer.id as number)
    clearTimeout(pending.timer)
    if (answer.error) pending.reject(rpcError(answer.error))
    else pending.resolve(answer.result)
  }

  #failPending(message: string): void {
    for (const pending of this.#pending.values()) {
      clearTimeout(pending.timer)
      pending.reject(unreachable(message))
    }
    this.#pending.clear()
  }

  async #request<T>(method: string, ...params: unknown[]): Promise<T> {
    const id = this.#nextId++
    const body = JSON.stringify({ jsonrpc: '2.0', id, method, params })
    const socket = this.#socket
    if (socket?.readyState === WebSocket.OPEN && (!this.#callsOverHttp || method === 'eth_subscribe')) {
      return new Promise<T>((resolve, reject) => {
        const timer = setTimeout(() => {
          this.#pending.delete(id)
          reject(unreachable(`${method} was not answered within ${this.#timeoutMs} ms`))
        }, this.#timeoutMs)
        this.#pending.set(id, { resolve: resolve as (value: unknown) => void, reject, timer })
        socket.send(body)
      })
    }
    try {
      const response = await fetch(this.#http, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(this.#timeoutMs),
      })
      const answer = (await response.json()) as Answer
      if (answer.error) throw rpcError(answer.error)
      return answer.result as T
    } catch (error) {
      if (error instanceof KintsugiError) throw error
      throw unreachable(messageOf(error), error)
    }
  }
}

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
