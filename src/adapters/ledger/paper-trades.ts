/** Trades on paper in PostgreSQL, apart from those that moved money. */
import type { Hex } from '../../ports/chain.ts'
import type { Ledger, PaperTrade } from '../../ports/ledger.ts'
import type { LedgerConnection, Row } from './connection.ts'

type PaperLedger = Pick<Ledger, 'recordPaperTrades' | 'paperTrades' | 'countPaperTrades' | 'paperTotals'>

export function paperLedger(connection: LedgerConnection): PaperLedger {
  return {
    recordPaperTrades: (trades) =>
      connection.insert(
        trades.map(paperRow),
        (values) => `insert into paper_trades values ${values} on conflict (decision_id) do nothing`,
      ),

    paperTrades: async ({ limit, offset = 0 }) => {
      const rows = await connection.query(
        'select * from paper_trades order by judged_at desc, decision_id limit $1 offset $2',
        [limit, offset],
      )
      return rows.map(paperTradeOf)
    },

    countPaperTrades: () => connection.count('select count(*) from paper_trades'),

    paperTotals: async (genesis) => {
      const rows = await connection.query(
        'select outcome, count(*)::int as count, sum(net_native) as net from paper_trades where ($1::text is null or genesis = $1) group by outcome',
        [genesis ?? null],
      )
      return {
        trades: rows.reduce((sum, row) => sum + (row.count as number), 0),
        netNative: rows.reduce((sum, row) => sum + (row.net as number), 0),
        outcomes: Object.fromEntries(rows.map((row) => [row.outcome as string, row.count as number])),
      }
    },
  }
}

/** A trade on paper as the values of its row, in the order of the columns. */
const paperRow = (trade: PaperTrade): unknown[] => [
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
]

function paperTradeOf(row: Row): PaperTrade {
  return {
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
  }
}
