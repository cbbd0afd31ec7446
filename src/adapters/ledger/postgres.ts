/** The ledger on PostgreSQL. */
import type pg from 'pg'
import type { Address } from '../../amm/index.ts'
import type { IncidentRecord } from '../../fleet/stability.ts'
import type { Hex } from '../../ports/chain.ts'
import type {
  DecisionRecord,
  Ledger,
  NewAttempt,
  Page,
  PaperTotals,
  PaperTrade,
  PricePoint,
  Task,
  Trade,
  TradeTotals,
  TransactionRecord,
  TransactionStatus,
} from '../../ports/ledger.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { MIGRATIONS } from './migrations.ts'
import type { ConnectionPool } from './pool.ts'

export interface PostgresLedgerOptions {
  pool: ConnectionPool
  /** Rows per insert. */
  batchSize: number
}

/** Codes that mean "the server is not there or is going away", by class. Source: PostgreSQL, appendix A. */
const UNREACHABLE = /^(08|57P|53)/

type Row = Record<string, unknown>

/** A key for `pg_advisory_xact_lock`: one process migrates, others wait. */
const MIGRATION_LOCK = 4_207_001

export class PostgresLedger implements Ledger {
  readonly #pool: ConnectionPool
  readonly #batchSize: number

  constructor({ pool, batchSize }: PostgresLedgerOptions) {
    this.#batchSize = batchSize
    this.#pool = pool
  }

  /** Brings the schema up to date; safe to call from several processes at once. Returns the steps applied. */
  async migrate(): Promise<number> {
    return this.#transaction(async (client) => {
      await client.query('select pg_advisory_xact_lock($1)', [MIGRATION_LOCK])
      await client.query(
        'create table if not exists migrations (id int primary key, name text not null, applied_at timestamptz not null default now())',
      )
      const { rows } = await client.query<{ id: number }>('select id from migrations')
      const done = new Set(rows.map((row) => row.id))
      const wanted = MIGRATIONS.filter((migration) => !done.has(migration.id))
      for (const migration of wanted) {
        await client.query(migration.sql)
        await client.query('insert into migrations (id, name) values ($1, $2)', [
          migration.id,
          migration.name,
        ])
      }
      return wanted.length
    })
  }

  async recordDecisions(records: readonly DecisionRecord[]): Promise<void> {
    for (let at = 0; at < records.length; at += this.#batchSize) {
      const batch = records.slice(at, at + this.#batchSize)
      await this.#query(
        `insert into decisions values ${placeholders(batch.length, DECISION_COLUMNS)} ${ON_KNOWN_DECISION}`,
        batch.flatMap(decisionRow),
      )
    }
  }

  async decision(id: string): Promise<DecisionRecord | undefined> {
    const [row] = await this.#query('select record from decisions where id = $1', [id])
    return row && decodeJson(row.record as string)
  }

  async decisionsById(ids: readonly string[]): Promise<ReadonlyMap<string, DecisionRecord>> {
    const rows = await this.#query('select id, record from decisions where id = any($1)', [ids])
    return new Map(rows.map((row) => [row.id as string, decodeJson(row.record as string)]))
  }

  async decisions({
    limit,
    offset = 0,
    verdict,
    genesis,
  }: {
    limit: number
    offset?: number
    verdict?: string
    genesis?: Hex
  }): Promise<DecisionRecord[]> {
    const rows = await this.#query(
      'select record from decisions where ($3::text is null or verdict = $3) and ($4::text is null or genesis = $4) order by decided_at desc limit $1 offset $2',
      [limit, offset, verdict ?? null, genesis ?? null],
    )
    return rows.map((row) => decodeJson(row.record as string))
  }

  async decisionCounts(sinceMs: number): Promise<{ verdict: string; rule: string | null; count: number }[]> {
    const rows = await this.#query(
      'select verdict, refused_by, count(*)::int as count from decisions where decided_at >= $1 group by 1, 2 order by 3 desc',
      [new Date(sinceMs)],
    )
    return rows.map((row) => ({
      verdict: row.verdict as string,
      rule: row.refused_by as string | null,
      count: row.count as number,
    }))
  }

  async recordAttempt(attempt: NewAttempt, decision?: DecisionRecord): Promise<void> {
    // One statement: one round trip and one commit between a decision and its sending.
    const { genesis, account, nonce, decisionId, sentAt, hash, raw, intent, sentAtBlock } = attempt
    const values: unknown[] = [
      genesis,
      account,
      nonce,
      decisionId,
      new Date(sentAt),
      hash,
      raw,
      encodeJson(intent),
      sentAtBlock,
    ]
    await this.#query(
      `with ${decision ? `decided as (insert into decisions values ${placeholders(1, DECISION_COLUMNS, values.length)} ${ON_KNOWN_DECISION}),` : ''}
       numbered as (
         insert into transactions values ($1, $2, $3, $4, 'open', $5)
         on conflict (genesis, account, nonce) do update set status = 'open', decision_id = excluded.decision_id where transactions.status = 'expired'
       )
       insert into attempts values ($6, $1, $2, $3, $7, $8, $5, $9) on conflict (hash) do nothing`,
      decision ? [...values, ...decisionRow(decision)] : values,
      decision ? 'attempt-with-decision' : 'attempt',
    )
  }

  async openTransactions(): Promise<TransactionRecord[]> {
    const rows = await this.#query(
      `select t.genesis, t.account, t.nonce, t.decision_id, t.status, a.hash, a.raw, a.intent, a.sent_at, a.sent_at_block
       from transactions t join attempts a using (genesis, account, nonce) where t.status = 'open' order by t.nonce, a.sent_at`,
      [],
    )
    const byNonce = new Map<
      string,
      { record: Omit<TransactionRecord, 'attempts'>; attempts: TransactionRecord['attempts'][number][] }
    >()
    for (const row of rows) {
      const key = `${row.genesis} ${row.account} ${row.nonce}`
      const entry = byNonce.get(key) ?? {
        record: {
          genesis: row.genesis as Hex,
          account: row.account as Address,
          nonce: Number(row.nonce),
          decisionId: row.decision_id as string | null,
          status: row.status as TransactionStatus,
        },
        attempts: [],
      }
      entry.attempts.push({
        hash: row.hash as Hex,
        raw: row.raw as Hex,
        intent: decodeJson(row.intent as string),
        sentAt: (row.sent_at as Date).getTime(),
        sentAtBlock: Number(row.sent_at_block),
      })
      byNonce.set(key, entry)
    }
    return [...byNonce.values()].map(({ record, attempts }) => ({ ...record, attempts }))
  }

  async highestNonce(genesis: Hex, account: Address): Promise<number | undefined> {
    const [row] = await this.#query(
      `select max(nonce) as nonce from transactions where genesis = $1 and account = $2 and status <> 'expired'`,
      [genesis, account],
    )
    return row?.nonce == null ? undefined : Number(row.nonce)
  }

  async book(trade: Trade): Promise<boolean> {
    return this.#transaction(async (client) => {
      const inserted = await client.query(
        `insert into trades values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22, $23) on conflict (hash) do nothing`,
        [
          trade.hash,
          trade.genesis,
          trade.nonce,
          trade.decisionId,
          trade.block,
          trade.transactionIndex,
          trade.outcome,
          trade.token,
          trade.symbol,
          trade.decimals,
          trade.route,
          JSON.stringify(trade.legs),
          trade.lender,
          String(trade.amountIn),
          String(trade.predictedProfit),
          String(trade.realisedProfit),
          trade.profitValue,
          trade.profitNative,
          String(trade.gasUsed),
          String(trade.gasPrice),
          String(trade.gasCost),
          trade.predictedAtBlock,
          new Date(trade.bookedAt),
        ],
      )
      await client.query(`update transactions set status = 'final' where genesis = $1 and nonce = $2`, [
        trade.genesis,
        trade.nonce,
      ])
      return inserted.rowCount === 1
    })
  }

  async markLost(genesis: Hex): Promise<number> {
    const rows = await this.#query(
      `update transactions set status = 'lost' where status = 'open' and genesis <> $1 returning nonce`,
      [genesis],
    )
    return rows.length
  }

  async recordPaperTrades(trades: readonly PaperTrade[]): Promise<void> {
    for (let at = 0; at < trades.length; at += this.#batchSize) {
      const batch = trades.slice(at, at + this.#batchSize)
      const values = batch.flatMap((trade) => [
        trade.decisionId,
        trade.genesis,
        trade.block,
        trade.route,
        trade.symbol,
        trade.decimals,
        String(trade.predictedProfit),
        trade.outcome,
        trade.netNative,
        trade.reason,
        new Date(trade.judgedAt),
      ])
      await this.#query(
        `insert into paper_trades values ${placeholders(batch.length, 11)} on conflict (decision_id) do nothing`,
        values,
      )
    }
  }

  async paperTrades({ limit, offset = 0 }: Page): Promise<PaperTrade[]> {
    const rows = await this.#query('select * from paper_trades order by judged_at desc limit $1 offset $2', [
      limit,
      offset,
    ])
    return rows.map((row) => ({
      decisionId: row.decision_id as string,
      genesis: row.genesis as Hex,
      block: Number(row.block),
      route: row.route as string,
      symbol: row.symbol as string,
      decimals: row.decimals as number,
      predictedProfit: BigInt(row.predicted_profit as string),
      outcome: row.outcome as PaperTrade['outcome'],
      netNative: row.net_native as number,
      reason: row.reason as string,
      judgedAt: (row.judged_at as Date).getTime(),
    }))
  }

  async paperTotals(genesis?: Hex): Promise<PaperTotals> {
    const rows = await this.#query(
      'select outcome, count(*)::int as count, sum(net_native) as net from paper_trades where ($1::text is null or genesis = $1) group by outcome',
      [genesis ?? null],
    )
    return {
      trades: rows.reduce((sum, row) => sum + (row.count as number), 0),
      netNative: rows.reduce((sum, row) => sum + (row.net as number), 0),
      outcomes: Object.fromEntries(rows.map((row) => [row.outcome as string, row.count as number])),
    }
  }

  async markExpired(genesis: Hex, account: Address, nonces: readonly number[]): Promise<void> {
    await this.#query(
      `update transactions set status = 'expired' where genesis = $1 and account = $2 and nonce = any($3) and status = 'open'`,
      [genesis, account, nonces],
    )
  }

  async trades({
    limit,
    offset = 0,
    genesis,
    token,
  }: {
    limit: number
    offset?: number
    genesis?: Hex
    token?: Address
  }): Promise<Trade[]> {
    const rows = await this.#query(
      'select * from trades where ($3::text is null or genesis = $3) and ($4::text is null or token = $4) order by block desc, transaction_index desc limit $1 offset $2',
      [limit, offset, genesis ?? null, token ?? null],
    )
    return rows.map(tradeOf)
  }

  async totals(genesis?: Hex): Promise<TradeTotals> {
    const filter = '($1::text is null or genesis = $1)'
    const [[sum], byToken, byOutcome] = await Promise.all([
      this.#query(
        `select count(*)::int as booked, count(*) filter (where realised_profit > 0)::int as profitable, coalesce(sum(gas_cost), 0)::text as gas,
         coalesce(sum(profit_value), 0) as value, coalesce(sum(profit_native), 0) as native from trades where ${filter}`,
        [genesis ?? null],
      ),
      this.#query(
        `select token, sum(realised_profit)::text as profit from trades where ${filter} group by token`,
        [genesis ?? null],
      ),
      this.#query(`select outcome, count(*)::int as count from trades where ${filter} group by outcome`, [
        genesis ?? null,
      ]),
    ])
    return {
      tradesBooked: sum?.booked as number,
      profitable: sum?.profitable as number,
      profitBooked: Object.fromEntries(byToken.map((row) => [row.token, BigInt(row.profit as string)])),
      gasBooked: BigInt(sum?.gas as string),
      profitValue: sum?.value as number,
      profitNative: sum?.native as number,
      outcomes: Object.fromEntries(byOutcome.map((row) => [row.outcome, row.count])),
    }
  }

  async highestBlock(): Promise<number> {
    const [row] = await this.#query(
      'select greatest((select max(block) from trades), (select max(block) from decisions), (select max(first_block) from chains), (select max(sent_at_block) from attempts), 0) as block',
      [],
    )
    return Number(row?.block ?? 0)
  }

  async recordChain(chain: {
    genesis: Hex
    chainId: number
    network: string
    firstBlock: number
    seenAt: number
  }): Promise<void> {
    await this.#query('insert into chains values ($1, $2, $3, $4, $5) on conflict do nothing', [
      chain.genesis,
      chain.chainId,
      chain.network,
      chain.firstBlock,
      new Date(chain.seenAt),
    ])
  }

  async recordPrices(points: readonly PricePoint[]): Promise<void> {
    for (let at = 0; at < points.length; at += this.#batchSize) {
      const batch = points.slice(at, at + this.#batchSize)
      await this.#query(
        `insert into prices (symbol, at, price, block) values ${placeholders(batch.length, 4)}`,
        batch.flatMap((point) => [point.symbol, new Date(point.at), point.price, point.block]),
      )
    }
  }

  async priceHistory({
    symbol,
    since,
    limit,
  }: {
    symbol: string
    since: number
    limit: number
  }): Promise<PricePoint[]> {
    const rows = await this.#query(
      'select * from prices where symbol = $1 and at >= $2 order by at desc limit $3',
      [symbol, new Date(since), limit],
    )
    return rows
      .map((row) => ({
        symbol: row.symbol as string,
        price: row.price as number,
        block: Number(row.block),
        at: (row.at as Date).getTime(),
      }))
      .reverse()
  }

  async saveTask(task: Task): Promise<void> {
    await this.#query(
      'insert into tasks values ($1, $2, $3, $4, $5) on conflict (id) do update set status = excluded.status, record = excluded.record',
      [task.id, task.status, task.priority, encodeJson(task), new Date(task.createdAt)],
    )
  }

  async task(id: string): Promise<Task | undefined> {
    const [row] = await this.#query('select record from tasks where id = $1', [id])
    return row && decodeJson(row.record as string)
  }

  async tasks({
    limit,
    offset = 0,
    status,
  }: {
    limit: number
    offset?: number
    status?: string
  }): Promise<Task[]> {
    const rows = await this.#query(
      'select record from tasks where ($3::text is null or status = $3) order by created_at desc limit $1 offset $2',
      [limit, offset, status ?? null],
    )
    return rows.map((row) => decodeJson(row.record as string))
  }

  async setting<T>(key: string): Promise<T | undefined> {
    const [row] = await this.#query('select value from settings where key = $1', [key])
    return row && decodeJson<T>(row.value as string)
  }

  async saveSetting(key: string, value: unknown): Promise<void> {
    await this.#query(
      'insert into settings (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value, changed_at = now()',
      [key, encodeJson(value)],
    )
  }

  async recordIncident({
    unit,
    services,
    kind,
    detail,
    action,
    at,
    durationMs,
  }: IncidentRecord): Promise<void> {
    await this.#query(
      'insert into incidents (unit, services, kind, detail, action, at, duration_ms) values ($1, $2, $3, $4, $5, $6, $7)',
      [unit, services, kind, detail, action, new Date(at), durationMs],
    )
  }

  async incidents({
    since,
    limit,
    service,
  }: {
    since: number
    limit: number
    service?: string
  }): Promise<IncidentRecord[]> {
    const rows = await this.#query(
      `select unit, services, kind, detail, action, extract(epoch from at) * 1000 as at, duration_ms from incidents
       where at >= $1 and ($2::text is null or $2 = any(services)) order by at desc, id desc limit $3`,
      [new Date(since), service ?? null, limit],
    )
    return rows.reverse().map((row) => ({
      unit: row.unit as string,
      services: row.services as string[],
      kind: row.kind as string,
      detail: row.detail as string,
      action: row.action as string,
      at: Number(row.at),
      durationMs: row.duration_ms as number | null,
    }))
  }

  async ping(): Promise<void> {
    await this.#query('select 1', [])
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  /** `name`: a statement that is sent often is parsed and planned once for each connection. */
  async #query(sql: string, values: unknown[], name?: string): Promise<Row[]> {
    try {
      return (await this.#pool.query<Row>({ text: sql, values, ...(name ? { name } : {}) })).rows
    } catch (error) {
      throw ledgerError(error)
    }
  }

  async #transaction<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    let client: pg.PoolClient
    try {
      client = await this.#pool.connect()
    } catch (error) {
      throw ledgerError(error)
    }
    let broken = false
    try {
      await client.query('begin')
      const result = await work(client)
      await client.query('commit')
      return result
    } catch (error) {
      broken = await client.query('rollback').then(
        () => false,
        () => true,
      )
      throw ledgerError(error)
    } finally {
      client.release(broken)
    }
  }
}

function ledgerError(error: unknown): KintsugiError {
  if (error instanceof KintsugiError) return error
  const code = (error as { code?: string }).code
  const refused = code === undefined || UNREACHABLE.test(code) || /^E[A-Z]+$/.test(code)
  return refused
    ? new KintsugiError('ledger-unreachable', `the ledger cannot be reached: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
        hint: 'is PostgreSQL running? see `kintsugi status`',
      })
    : new KintsugiError('ledger-failed', `the ledger refused: ${messageOf(error)}`, { cause: error })
}

/** `($1, $2), ($3, $4)` for 2 rows of 2 columns; numbered from after `used`. */
function placeholders(rows: number, columns: number, used = 0): string {
  return Array.from(
    { length: rows },
    (_, row) =>
      `(${Array.from({ length: columns }, (_, column) => `$${used + row * columns + column + 1}`).join(', ')})`,
  ).join(', ')
}

const DECISION_COLUMNS = 8
const ON_KNOWN_DECISION =
  'on conflict (id) do update set verdict = excluded.verdict, refused_by = excluded.refused_by, record = excluded.record'

const decisionRow = (record: DecisionRecord): unknown[] => [
  record.id,
  record.genesis,
  record.opportunity.block,
  record.opportunity.token,
  record.decision.verdict,
  record.decision.rules.find((rule) => !rule.ok)?.rule ?? null,
  encodeJson(record),
  new Date(record.decidedAt),
]

function tradeOf(row: Row): Trade {
  return {
    genesis: row.genesis as Hex,
    hash: row.hash as Hex,
    nonce: Number(row.nonce),
    decisionId: row.decision_id as string | null,
    block: Number(row.block),
    transactionIndex: row.transaction_index as number,
    outcome: row.outcome as Trade['outcome'],
    token: row.token as Address,
    symbol: row.symbol as string,
    decimals: row.decimals as number,
    route: row.route as string,
    legs: row.legs as Trade['legs'],
    lender: row.lender as string,
    amountIn: BigInt(row.amount_in as string),
    predictedProfit: BigInt(row.predicted_profit as string),
    realisedProfit: BigInt(row.realised_profit as string),
    profitValue: row.profit_value as number,
    profitNative: row.profit_native as number,
    gasUsed: BigInt(row.gas_used as string),
    gasPrice: BigInt(row.gas_price as string),
    gasCost: BigInt(row.gas_cost as string),
    predictedAtBlock: Number(row.predicted_at_block),
    bookedAt: (row.booked_at as Date).getTime(),
  }
}
