/**
 * A whole ledger in memory: it passes the contract of the ledger (test/ledger.test.ts), like the PostgreSQL
 * backends.
 */
import type { Address } from '../../src/amm/index.ts'
import { refusedBy, withOutcome } from '../../src/arbitrage/index.ts'
import type { IncidentRecord } from '../../src/fleet/incidents.ts'
import type { Hex } from '../../src/ports/chain.ts'
import type {
  DecisionFilter,
  DecisionRecord,
  IncidentFilter,
  Ledger,
  NewAttempt,
  PaperTrade,
  PricePoint,
  Task,
  TaskStatus,
  Trade,
  TradeFilter,
  TransactionRecord,
} from '../../src/ports/ledger.ts'
import { decodeJson, encodeJson } from '../../src/std/json.ts'

const copy = <T>(value: T): T => decodeJson(encodeJson(value))
const page = <T>(items: readonly T[], { limit, offset = 0 }: { limit: number; offset?: number }) =>
  items.slice(offset, offset + limit).map(copy)
const sum = <T>(items: readonly T[], of: (item: T) => number) =>
  items.reduce((total, item) => total + of(item), 0)

export class InMemoryLedger implements Ledger {
  readonly #decisions = new Map<string, DecisionRecord>()
  readonly #transactions = new Map<string, TransactionRecord>()
  readonly #trades = new Map<Hex, Trade>()
  readonly #paper = new Map<string, PaperTrade>()
  readonly #chains: number[] = []
  readonly #prices: PricePoint[] = []
  readonly #tasks = new Map<string, Task>()
  readonly #incidents: IncidentRecord[] = []
  readonly #settings = new Map<string, string>()

  async recordDecisions(records: readonly DecisionRecord[]): Promise<void> {
    for (const record of records) this.#decisions.set(record.id, withOutcome(copy(record)))
  }

  async decision(id: string) {
    const found = this.#decisions.get(id)
    return found && copy(found)
  }

  async decisionsById(ids: readonly string[]) {
    return new Map(
      ids.flatMap((id) => {
        const found = this.#decisions.get(id)
        return found ? [[id, copy(found)] as const] : []
      }),
    )
  }

  async decisions(query: { limit: number; offset?: number } & DecisionFilter) {
    return page(
      this.#decisionsMatching(query).sort((a, b) => b.decidedAt - a.decidedAt),
      query,
    )
  }

  async countDecisions(filter: DecisionFilter) {
    return this.#decisionsMatching(filter).length
  }

  async decisionCounts(sinceMs: number) {
    const counts = new Map<string, { verdict: string; rule: string | null; count: number }>()
    for (const record of this.#decisions.values()) {
      if (record.decidedAt < sinceMs) continue
      const { decision } = record
      const rule = refusedBy(record)
      const key = `${decision.verdict} ${rule}`
      const known = counts.get(key) ?? { verdict: decision.verdict, rule, count: 0 }
      counts.set(key, { ...known, count: known.count + 1 })
    }
    return [...counts.values()].sort((a, b) => b.count - a.count)
  }

  async recordAttempt(attempt: NewAttempt, decision?: DecisionRecord) {
    if (decision) await this.recordDecisions([decision])
    const { genesis, account, nonce, decisionId, ...sent } = copy(attempt)
    const key = `${genesis} ${account} ${nonce}`
    const known = this.#transactions.get(key)
    const attempts = [...(known?.attempts ?? [])]
    if (!attempts.some(({ hash }) => hash === sent.hash)) attempts.push({ ...sent, decisionId })
    const reused = known === undefined || known.status === 'expired'
    this.#transactions.set(key, {
      genesis,
      account,
      nonce,
      decisionId: reused ? decisionId : known.decisionId,
      status: reused ? 'open' : known.status,
      attempts,
    })
  }

  async openTransactions() {
    const open = [...this.#transactions.values()].filter(({ status }) => status === 'open')
    return open.sort((a, b) => a.nonce - b.nonce).map(copy)
  }

  async transaction(decisionId: string) {
    const own = [...this.#transactions.values()].filter((each) => each.decisionId === decisionId)
    const newest = own.sort((a, b) => b.nonce - a.nonce)[0]
    return newest && copy(newest)
  }

  async transactionAt(genesis: Hex, account: Address, nonce: number) {
    const found = this.#transactions.get(`${genesis} ${account} ${nonce}`)
    return found && copy(found)
  }

  async highestNonce(genesis: Hex, account: Address) {
    const nonces = [...this.#transactions.values()]
      .filter((each) => each.genesis === genesis && each.account === account && each.status !== 'expired')
      .map(({ nonce }) => nonce)
    return nonces.length === 0 ? undefined : Math.max(...nonces)
  }

  async book(trade: Trade) {
    this.#setStatus((each) => each.genesis === trade.genesis && each.nonce === trade.nonce, 'final')
    if (this.#trades.has(trade.hash)) return false
    this.#trades.set(trade.hash, copy(trade))
    return true
  }

  async markLost(genesis: Hex) {
    return this.#setStatus((each) => each.status === 'open' && each.genesis !== genesis, 'lost')
  }

  async markExpired(genesis: Hex, account: Address, nonces: readonly number[]) {
    this.#setStatus(
      (each) =>
        each.status === 'open' &&
        each.genesis === genesis &&
        each.account === account &&
        nonces.includes(each.nonce),
      'expired',
    )
  }

  async markReplaced(genesis: Hex, account: Address, nonce: number) {
    this.#setStatus(
      (each) =>
        each.status === 'open' &&
        each.genesis === genesis &&
        each.account === account &&
        each.nonce === nonce,
      'replaced',
    )
  }

  async trade(decisionId: string) {
    const found = this.#tradesMatching({}).find((each) => each.decisionId === decisionId)
    return found && copy(found)
  }

  async trades(query: { limit: number; offset?: number } & TradeFilter) {
    return page(this.#tradesMatching(query), query)
  }

  async countTrades(filter: TradeFilter) {
    return this.#tradesMatching(filter).length
  }

  async totals(genesis?: Hex) {
    const trades = this.#tradesMatching(genesis ? { genesis } : {})
    const profitBooked: Record<string, bigint> = {}
    const outcomes: Record<string, number> = {}
    for (const { token, realisedProfit, outcome } of trades) {
      profitBooked[token] = (profitBooked[token] ?? 0n) + realisedProfit
      outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    }
    return {
      tradesBooked: trades.length,
      profitable: trades.filter(({ realisedProfit }) => realisedProfit > 0n).length,
      profitBooked,
      gasBooked: trades.reduce((total, { gasCost }) => total + gasCost, 0n),
      profitValue: sum(trades, (trade) => trade.profitValue),
      profitNative: sum(trades, (trade) => trade.profitNative),
      outcomes,
    }
  }

  async firstBookedAt() {
    const times = this.#tradesMatching({}).map(({ bookedAt }) => bookedAt)
    return times.length === 0 ? undefined : Math.min(...times)
  }
  async profitSeries({
    since,
    until,
    buckets,
    genesis,
  }: {
    since: number
    until: number
    buckets: number
    genesis?: Hex
  }) {
    const trades = this.#tradesMatching(genesis ? { genesis } : {})
    return Array.from({ length: buckets + 1 }, (_, index) => {
      const at = Math.floor(since + ((until - since) * index) / buckets)
      const booked = trades.filter(({ bookedAt }) => bookedAt <= at)
      const profitNative = sum(booked, (trade) => trade.profitNative)
      const gasNative = Number(booked.reduce((total, { gasCost }) => total + gasCost, 0n)) / 1e18
      return {
        at,
        trades: booked.length,
        profitValue: sum(booked, (trade) => trade.profitValue),
        profitNative,
        gasNative,
        netNative: profitNative - gasNative,
      }
    })
  }

  async recordPaperTrades(trades: readonly PaperTrade[]) {
    for (const trade of trades)
      if (!this.#paper.has(trade.decisionId)) this.#paper.set(trade.decisionId, copy(trade))
  }

  async paperTrades(query: { limit: number; offset?: number }) {
    return page(
      [...this.#paper.values()].sort((a, b) => b.judgedAt - a.judgedAt),
      query,
    )
  }

  async countPaperTrades() {
    return this.#paper.size
  }

  async paperTotals(genesis?: Hex) {
    const trades = [...this.#paper.values()].filter((each) => !genesis || each.genesis === genesis)
    const outcomes: Record<string, number> = {}
    for (const { outcome } of trades) outcomes[outcome] = (outcomes[outcome] ?? 0) + 1
    return { trades: trades.length, netNative: sum(trades, (trade) => trade.netNative), outcomes }
  }

  async highestBlock() {
    return Math.max(
      0,
      ...[...this.#trades.values()].map(({ block }) => block),
      ...[...this.#decisions.values()].map(({ opportunity }) => opportunity.block),
      ...this.#chains,
      ...[...this.#transactions.values()].flatMap(({ attempts }) =>
        attempts.map(({ sentAtBlock }) => sentAtBlock),
      ),
    )
  }

  async recordChain({ firstBlock }: { firstBlock: number }) {
    this.#chains.push(firstBlock)
  }

  async recordPrices(points: readonly PricePoint[]) {
    this.#prices.push(...points.map(copy))
  }

  async priceHistory({ symbol, since, limit }: { symbol: string; since: number; limit: number }) {
    const found = this.#prices.filter((point) => point.symbol === symbol && point.at >= since)
    return found
      .sort((a, b) => a.at - b.at)
      .slice(-limit)
      .map(copy)
  }

  async saveTask(task: Task) {
    this.#tasks.set(task.id, copy(task))
  }

  async task(id: string) {
    const found = this.#tasks.get(id)
    return found && copy(found)
  }

  async tasks(query: { limit: number; offset?: number; status?: TaskStatus }) {
    return page(
      this.#tasksMatching(query).sort((a, b) => b.createdAt - a.createdAt),
      query,
    )
  }

  async countTasks(filter: { status?: TaskStatus }) {
    return this.#tasksMatching(filter).length
  }

  async recordIncident(incident: IncidentRecord) {
    this.#incidents.push(copy(incident))
  }

  async incidents(query: IncidentFilter & { limit: number }) {
    return this.#incidentsMatching(query)
      .sort((a, b) => a.at - b.at)
      .slice(-query.limit)
      .map(copy)
  }

  async countIncidents(filter: IncidentFilter) {
    return this.#incidentsMatching(filter).length
  }

  async setting<T>(key: string) {
    const text = this.#settings.get(key)
    return text === undefined ? undefined : decodeJson<T>(text)
  }

  async saveSetting(key: string, value: unknown) {
    this.#settings.set(key, encodeJson(value))
  }

  async ping() {}

  async close() {}

  #decisionsMatching({ verdict, genesis }: DecisionFilter) {
    return [...this.#decisions.values()].filter(
      (each) => (!verdict || each.decision.verdict === verdict) && (!genesis || each.genesis === genesis),
    )
  }

  #tradesMatching({ genesis, token }: TradeFilter) {
    return [...this.#trades.values()]
      .filter((each) => (!genesis || each.genesis === genesis) && (!token || each.token === token))
      .sort((a, b) => b.block - a.block || b.transactionIndex - a.transactionIndex)
  }

  #tasksMatching({ status }: { status?: TaskStatus }) {
    return [...this.#tasks.values()].filter((each) => !status || each.status === status)
  }

  #incidentsMatching({ since, service }: IncidentFilter) {
    return this.#incidents.filter(
      (each) => each.at >= since && (service === undefined || each.services.includes(service)),
    )
  }

  #setStatus(matches: (transaction: TransactionRecord) => boolean, status: TransactionRecord['status']) {
    let changed = 0
    for (const [key, transaction] of this.#transactions) {
      if (!matches(transaction)) continue
      this.#transactions.set(key, { ...transaction, status })
      changed++
    }
    return changed
  }
}
