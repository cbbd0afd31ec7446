/** The chains that were traded on, and prices over time, in PostgreSQL. */
import type { Ledger } from '../../ports/ledger.ts'
import type { LedgerConnection } from './connection.ts'

type MarketLedger = Pick<Ledger, 'highestBlock' | 'recordChain' | 'recordPrices' | 'priceHistory'>

export function marketLedger(connection: LedgerConnection): MarketLedger {
  return {
    highestBlock: async () => {
      const [row] = await connection.query(
        'select greatest((select max(block) from trades), (select max(block) from decisions), (select max(first_block) from chains), (select max(sent_at_block) from attempts), 0) as block',
      )
      return Number(row?.block ?? 0)
    },

    recordChain: async ({ genesis, chainId, network, firstBlock, seenAt }) => {
      await connection.query('insert into chains values ($1, $2, $3, $4, $5) on conflict do nothing', [
        genesis,
        chainId,
        network,
        firstBlock,
        new Date(seenAt),
      ])
    },

    recordPrices: (points) =>
      connection.insert(
        points.map((point) => [point.symbol, new Date(point.at), point.price, point.block]),
        (values) => `insert into prices (symbol, at, price, block) values ${values}`,
      ),

    priceHistory: async ({ symbol, since, limit }) => {
      const rows = await connection.query(
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
    },
  }
}
