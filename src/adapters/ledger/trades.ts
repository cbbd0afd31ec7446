/** Booked trades in PostgreSQL: the list, its totals, and the profit over time. */
import type { Address } from '../../amm/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { Ledger, ProfitPoint, Trade } from '../../ports/ledger.ts'
import type { LedgerConnection, Row } from './connection.ts'
import { placeholders } from './connection.ts'

type TradeLedger = Pick<
  Ledger,
  'book' | 'trade' | 'trades' | 'countTrades' | 'totals' | 'firstBookedAt' | 'profitSeries'
>

const MATCHING = '($1::text is null or genesis = $1) and ($2::text is null or token = $2)'
const OF_CHAIN = '($1::text is null or genesis = $1)'

/**
 * Sums per bucket, then running sums over the buckets. Bucket i holds the bookings after the point before it,
 * up to and including its own; bucket 0 also everything before `since`.
 */
const PROFIT_SERIES = `
  with booked as (
    select ceil(greatest(extract(epoch from booked_at) * 1000 - $2::numeric, 0) * $4::numeric / ($3::numeric - $2::numeric))::int as bucket,
      count(*) as trades, sum(profit_value) as value, sum(profit_native) as native, sum(gas_cost) as gas
    from trades where ${OF_CHAIN} and extract(epoch from booked_at) * 1000 <= $3::numeric group by 1
  )
  select bucket, (sum(trades) over upto)::text as trades, sum(coalesce(value, 0)) over upto as value,
    sum(coalesce(native, 0)) over upto as native, coalesce(sum(gas) over upto, 0)::text as gas
  from generate_series(0, $4::int) as bucket left join booked using (bucket)
  window upto as (order by bucket) order by bucket`

export function tradeLedger(connection: LedgerConnection): TradeLedger {
  return {
    book: (trade) =>
      connection.transaction(async (client) => {
        const values = tradeRow(trade)
        const inserted = await client.query(
          `insert into trades values ${placeholders(1, values.length)} on conflict (hash) do nothing`,
          values,
        )
        await client.query(`update transactions set status = 'final' where genesis = $1 and nonce = $2`, [
          trade.genesis,
          trade.nonce,
        ])
        return inserted.rowCount === 1
      }),

    trade: async (decisionId) => {
      const [row] = await connection.query(
        'select * from trades where decision_id = $1 order by block desc, transaction_index desc limit 1',
        [decisionId],
      )
      return row && tradeOf(row)
    },

    trades: async ({ limit, offset = 0, genesis, token }) => {
      const rows = await connection.query(
        `select * from trades where ${MATCHING} order by block desc, transaction_index desc, hash limit $3 offset $4`,
        [genesis ?? null, token ?? null, limit, offset],
      )
      return rows.map(tradeOf)
    },

    countTrades: ({ genesis, token }) =>
      connection.count(`select count(*) from trades where ${MATCHING}`, [genesis ?? null, token ?? null]),

    totals: async (genesis) => {
      const values = [genesis ?? null]
      const [[sum], byToken, byOutcome] = await Promise.all([
        connection.query(
          `select count(*)::int as booked, count(*) filter (where realised_profit > 0)::int as profitable, coalesce(sum(gas_cost), 0)::text as gas,
           coalesce(sum(profit_value), 0) as value, coalesce(sum(profit_native), 0) as native from trades where ${OF_CHAIN}`,
          values,
        ),
        connection.query(
          `select token, sum(realised_profit)::text as profit from trades where ${OF_CHAIN} group by token`,
          values,
        ),
        connection.query(
          `select outcome, count(*)::int as count from trades where ${OF_CHAIN} group by outcome`,
          values,
        ),
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
    },

    firstBookedAt: async () => {
      const [row] = await connection.query('select min(booked_at) as first from trades', [])
      return (row?.first as Date | null)?.getTime()
    },
    profitSeries: async ({ since, until, buckets, genesis }) => {
      const rows = await connection.query(PROFIT_SERIES, [genesis ?? null, since, until, buckets])
      return rows.map((row) =>
        profitPointOf(row, Math.floor(since + ((until - since) * Number(row.bucket)) / buckets)),
      )
    },
  }
}

function profitPointOf(row: Row, at: number): ProfitPoint {
  const [profitNative, gasNative] = [row.native as number, Number(row.gas) / 1e18]
  return {
    at,
    trades: Number(row.trades ?? 0),
    profitValue: row.value as number,
    profitNative,
    gasNative,
    netNative: profitNative - gasNative,
  }
}

/** A trade as the values of its row, in the order of the columns. */
const tradeRow = (trade: Trade): unknown[] => [
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
