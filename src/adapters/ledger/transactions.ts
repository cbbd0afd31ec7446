/** Transactions in PostgreSQL: one row per nonce, one per signed attempt at it. */
import type { Address } from '../../amm/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { Ledger, TransactionRecord, TransactionStatus } from '../../ports/ledger.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import type { LedgerConnection, Row } from './connection.ts'
import { placeholders } from './connection.ts'
import { DECISION_COLUMNS, decisionRow, ON_KNOWN_DECISION } from './decisions.ts'

type TransactionLedger = Pick<
  Ledger,
  | 'recordAttempt'
  | 'openTransactions'
  | 'transaction'
  | 'transactionAt'
  | 'highestNonce'
  | 'markLost'
  | 'markExpired'
  | 'markReplaced'
>

const SELECT = `select t.genesis, t.account, t.nonce, t.decision_id, t.status,
  a.decision_id as attempt_decision_id, a.hash, a.raw, a.intent, a.sent_at, a.sent_at_block
  from transactions t join attempts a using (genesis, account, nonce)`

export function transactionLedger(connection: LedgerConnection): TransactionLedger {
  return {
    recordAttempt: async (attempt, decision) => {
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
      // One statement: one round trip and one commit between a decision and its sending.
      await connection.query(
        `with ${decision ? `decided as (insert into decisions values ${placeholders(1, DECISION_COLUMNS, values.length)} ${ON_KNOWN_DECISION}),` : ''}
         numbered as (
           insert into transactions values ($1, $2, $3, $4, 'open', $5)
           on conflict (genesis, account, nonce) do update set status = 'open', decision_id = excluded.decision_id where transactions.status = 'expired'
         )
         insert into attempts values ($6, $1, $2, $3, $7, $8, $5, $9, $4) on conflict (hash) do nothing`,
        decision ? [...values, ...decisionRow(decision)] : values,
        decision ? 'attempt-with-decision' : 'attempt',
      )
    },

    openTransactions: async () =>
      transactionsIn(await connection.query(`${SELECT} where t.status = 'open' order by t.nonce, a.sent_at`)),

    transaction: async (decisionId) =>
      transactionsIn(
        await connection.query(
          `${SELECT} where t.decision_id = $1 order by t.created_at desc, t.nonce desc, a.sent_at`,
          [decisionId],
        ),
      )[0],

    transactionAt: async (genesis, account, nonce) =>
      transactionsIn(
        await connection.query(
          `${SELECT} where t.genesis = $1 and t.account = $2 and t.nonce = $3 order by a.sent_at`,
          [genesis, account, nonce],
        ),
      )[0],

    highestNonce: async (genesis, account) => {
      const [row] = await connection.query(
        `select max(nonce) as nonce from transactions where genesis = $1 and account = $2 and status <> 'expired'`,
        [genesis, account],
      )
      return row?.nonce == null ? undefined : Number(row.nonce)
    },

    markLost: async (genesis) => {
      const rows = await connection.query(
        `update transactions set status = 'lost' where status = 'open' and genesis <> $1 returning nonce`,
        [genesis],
      )
      return rows.length
    },

    markExpired: async (genesis, account, nonces) => {
      await connection.query(
        `update transactions set status = 'expired' where genesis = $1 and account = $2 and nonce = any($3) and status = 'open'`,
        [genesis, account, nonces],
      )
    },

    markReplaced: async (genesis, account, nonce) => {
      await connection.query(
        `update transactions set status = 'replaced' where genesis = $1 and account = $2 and nonce = $3 and status = 'open'`,
        [genesis, account, nonce],
      )
    },
  }
}

/** Rows of one attempt each, gathered by nonce in the order given. */
function transactionsIn(rows: readonly Row[]): TransactionRecord[] {
  const byNonce = Map.groupBy(rows, (row) => `${row.genesis} ${row.account} ${row.nonce}`)
  return [...byNonce.values()].map(([first, ...rest]) => {
    const row = first as Row
    return {
      genesis: row.genesis as Hex,
      account: row.account as Address,
      nonce: Number(row.nonce),
      decisionId: row.decision_id as string | null,
      status: row.status as TransactionStatus,
      attempts: [row, ...rest].map((attempt) => ({
        decisionId: attempt.attempt_decision_id as string | null,
        hash: attempt.hash as Hex,
        raw: attempt.raw as Hex,
        intent: decodeJson(attempt.intent as string),
        sentAt: (attempt.sent_at as Date).getTime(),
        sentAtBlock: Number(attempt.sent_at_block),
      })),
    }
  })
}
