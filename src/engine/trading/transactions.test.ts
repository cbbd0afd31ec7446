import { beforeEach, expect, test } from 'vitest'
import { MemoryLedger } from '../../../test/support/memory-ledger.ts'
import type { Address } from '../../amm/index.ts'
import type { ExecuteIntent, Intent } from '../../intents/index.ts'
import type { Chain, Head, Hex } from '../../ports/chain.ts'
import type { DecisionRecord } from '../../ports/ledger.ts'
import type { Signer } from '../../ports/signer.ts'
import { KintsugiError } from '../../std/errors.ts'
import { Transactions } from './transactions.ts'

const ACCOUNT: Address = `0x${'e'.repeat(40)}`
const GENESIS: Hex = `0x${'f'.repeat(64)}`
const FIRST_NONCE = 5
const head = (number: number): Head => ({
  number,
  hash: `0x${number}`,
  parentHash: '0x0',
  timestamp: number,
  baseFeePerGas: 10n ** 9n,
})
const build = (nonce: number) =>
  ({
    type: 'execute',
    chainId: 31_337,
    account: ACCOUNT,
    nonce,
    lease: 1,
    gasLimit: 200_000n,
    maxFeePerGas: 2n * 10n ** 9n,
    maxPriorityFeePerGas: 1n,
  }) as ExecuteIntent
const decision = (id: string) => ({ id }) as DecisionRecord

let store: MemoryLedger
let ledgerFails: boolean
let signed: Intent[]
let sent: { nonce: number; type: Intent['type'] }[]
let notes: string[]
let transactions: Transactions
beforeEach(async () => {
  store = new MemoryLedger()
  ledgerFails = false
  signed = []
  sent = []
  notes = []
  const { markExpired } = store.ledger
  store.ledger.markExpired = async (...expired) => {
    if (ledgerFails) throw new KintsugiError('ledger-unreachable', 'no ledger')
    return markExpired(...expired)
  }
  transactions = new Transactions({
    chain: {
      block: async () => head(1),
      transactionCount: async () => FIRST_NONCE,
      receipt: async () => undefined,
    } as unknown as Chain,
    ledger: store.ledger,
    signer: {
      sign: async (intent: Intent) => {
        signed.push(intent)
        return { raw: `0x${intent.nonce}`, hash: `0x${signed.length}` }
      },
    } as unknown as Signer,
    genesis: GENESIS,
    chainId: 31_337,
    account: ACCOUNT,
    lease: 1,
    submitter: {
      expiresAfter: undefined,
      revertsAreFree: false,
      send: async ({ raw, type }) => void sent.push({ nonce: Number(raw.slice(2)), type }),
    },
    finality: { tag: 'finalized', depthWithoutTag: 64 },
    now: () => 1,
    onFinal: async () => undefined,
    onNote: (note) => notes.push(note),
    onTrouble: () => undefined,
  })
  await transactions.recover()
})
const submit = (id: string, cleared: boolean) =>
  transactions.submit(build, decision(id), head(10), { cleared: Promise.resolve(cleared) })

test('a trade that was not cleared is never sent while its nonce waits for release', async () => {
  ledgerFails = true
  expect(await submit('opp_1', false)).toBeUndefined()
  expect(notes).toEqual([expect.stringMatching(/^releasing nonce 5 failed/)])
  // Neither is it in flight, nor does a higher tip replace it, nor do later heads send it, until it would
  // count as stuck.
  expect([transactions.open, transactions.inFlight]).toEqual([1, 0])
  await transactions.raise({ maxFeePerGas: 10n ** 12n, maxPriorityFeePerGas: 10n ** 9n }, head(11))
  for (const number of [11, 12, 13, 14, 15]) await transactions.advance(head(number))
  expect(sent).toEqual([])
  expect(signed.length).toBe(1)
  // The ledger works again: the nonce is free, and the next trade has it.
  ledgerFails = false
  await transactions.advance(head(16))
  expect(transactions.open).toBe(0)
  await submit('opp_2', true)
  expect(sent).toEqual([{ nonce: FIRST_NONCE, type: 'execute' }])
})

test('where a later trade was sent meanwhile, the nonce is filled with a transfer to ourselves, not with the trade', async () => {
  ledgerFails = true
  await submit('opp_1', false)
  await submit('opp_2', true)
  await transactions.advance(head(11))
  expect(sent.filter(({ nonce }) => nonce === FIRST_NONCE)).toEqual([{ nonce: FIRST_NONCE, type: 'cancel' }])
  expect(sent.filter(({ nonce }) => nonce === FIRST_NONCE + 1)[0]).toEqual({
    nonce: FIRST_NONCE + 1,
    type: 'execute',
  })
})

test('a rejected clearance counts as none', async () => {
  const handed = await transactions.submit(build, decision('opp_1'), head(10), {
    cleared: Promise.reject(new Error('the simulation failed')),
  })
  expect([handed, sent, transactions.open]).toEqual([undefined, [], 0])
})
