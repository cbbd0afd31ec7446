/** Errors of PostgreSQL in the terms of the ledger. */
import { expect, test } from 'vitest'
import { LedgerConnection } from './connection.ts'
import type { ConnectionPool } from './pool.ts'

const refusing = (code: string) => {
  const fail = () => Promise.reject(Object.assign(new Error('refused'), { code }))
  return new LedgerConnection({ query: fail, connect: fail } as unknown as ConnectionPool, 1)
}

test.each([
  // Source: PostgreSQL, appendix A: character_not_in_repertoire, untranslatable_character.
  ['22021', 'bad-argument'],
  ['22P05', 'bad-argument'],
  ['2201W', 'ledger-failed'],
  ['57P01', 'ledger-unreachable'],
  ['ECONNREFUSED', 'ledger-unreachable'],
])('SQL state %s is reported as %s', async (state, code) => {
  await expect(refusing(state).query('select 1')).rejects.toMatchObject({ code })
  await expect(refusing(state).transaction(async () => 1)).rejects.toMatchObject({ code })
})
