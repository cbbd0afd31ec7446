/** The chain under the small market: its blocks, logs that tests add, and contracts that tests answer for. */
import type { Address } from '../../../src/amm/index.ts'
import type {
  BlockTag,
  Call,
  Chain,
  Head,
  Hex,
  Log,
  LogFilter,
  PendingTransaction,
  Receipt,
  SimulatedCall,
  Simulation,
} from '../../../src/ports/chain.ts'
import { KintsugiError } from '../../../src/std/errors.ts'
import type { SmallMarket } from './market.ts'

export class SmallChain implements Chain {
  readonly link = 'connected'
  readonly logged: Log[] = []
  readonly receipts = new Map<Hex, Receipt>()
  readonly balances = new Map<Address, bigint>()
  readonly sent: Hex[] = []
  /** Blocks behind the head that are final. */
  finalityBlocks = 2
  readonly #market: SmallMarket
  readonly #contracts = new Map<string, (data: Hex) => Hex>()
  readonly #pending = new Set<(transaction: PendingTransaction) => void>()
  simulation: (calls: readonly SimulatedCall[]) => Simulation[] = (calls) =>
    calls.map(() => ({ succeeded: true, gasUsed: 200_000n, logs: [] }))

  constructor(market: SmallMarket) {
    this.#market = market
  }

  /** Answers calls of a contract's function, by its four-byte selector. */
  answer(contract: Address, selector: Hex, reply: (data: Hex) => Hex): void {
    this.#contracts.set(`${contract} ${selector}`, reply)
  }

  async chainId(): Promise<number> {
    return this.#market.manifest.chainId
  }

  async block(tag: BlockTag): Promise<Head> {
    const { heads } = this.#market
    const newest = heads.at(-1) as Head
    if (tag === 'latest' || tag === 'pending') return newest
    const number =
      typeof tag === 'number'
        ? tag
        : tag === 'earliest'
          ? 0
          : Math.max(0, newest.number - this.finalityBlocks)
    const found = heads.findLast((head) => head.number <= number) ?? heads[0]
    if (!found || (typeof tag === 'number' && tag > newest.number))
      throw new KintsugiError('block-not-found', `the node has no block ${number}`)
    return { ...found, number }
  }

  async logs({ fromBlock, toBlock, address, topics }: LogFilter): Promise<Log[]> {
    const addresses = address === undefined ? undefined : [address].flat()
    return this.logged.filter(
      (log) =>
        log.blockNumber >= fromBlock &&
        log.blockNumber <= toBlock &&
        (!addresses || addresses.includes(log.address)) &&
        (topics ?? []).every((wanted, index) => {
          if (wanted === null) return true
          return ([wanted].flat() as readonly Hex[]).includes(log.topics[index] as Hex)
        }),
    )
  }

  async call({ to, data }: Call): Promise<Hex> {
    const reply = this.#contracts.get(`${to} ${data.slice(0, 10)}`)
    if (!reply) throw new KintsugiError('rpc-failed', `no contract answers ${data.slice(0, 10)} at ${to}`)
    return reply(data)
  }

  async simulate(calls: readonly SimulatedCall[]): Promise<Simulation[]> {
    return this.simulation(calls)
  }

  async balance(account: Address): Promise<bigint> {
    return this.balances.get(account) ?? 0n
  }

  async transactionCount(): Promise<number> {
    return this.sent.length
  }

  async send(raw: Hex): Promise<Hex> {
    this.sent.push(raw)
    return raw
  }

  async receipt(hash: Hex): Promise<Receipt | undefined> {
    return this.receipts.get(hash)
  }

  watch(onHead: (head: Head) => void): () => void {
    return this.#market.subscribe(({ head }) => onHead(head))
  }

  watchPending(onTransaction: (transaction: PendingTransaction) => void): () => void {
    this.#pending.add(onTransaction)
    return () => void this.#pending.delete(onTransaction)
  }

  async rawTransaction(): Promise<Hex | undefined> {
    return undefined
  }

  close(): void {
    this.#pending.clear()
  }
}
