/**
 * One account's transactions on a real chain: no duplicates and no nonce gaps, even if the node drops
 * transactions.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Transactions } from '../src/engine/trading/transactions.ts'
import { rpc } from '../src/localnet/rpc.ts'
import type { Hex } from '../src/ports/chain.ts'
import { KintsugiError } from '../src/std/errors.ts'
import { startTestChain, type TestChain } from './support/local-chain.ts'
import type { MemoryLedger } from './support/memory-ledger.ts'
import { cleared, decisionOf, SENDER, Sending } from './support/sending.ts'

let local: TestChain
let sending: Sending
let store: MemoryLedger
beforeAll(async () => {
  local = await startTestChain()
  await Sending.fund(local)
})
afterAll(() => local?.stop())
beforeEach(() => {
  sending = new Sending(local)
  store = sending.store
})

const decision = decisionOf('opp_1')
const make = () => sending.make()
const submitted = (transactions: Transactions) => sending.submit(transactions)
const intent = (nonce: number, tip?: bigint) => sending.intent(nonce, tip)
const mine = (transactions: Transactions, blocks?: number) => sending.mine(transactions, blocks)
const head = () => sending.head()
const nonceOnChain = () => sending.nextNonce()
const booked = () => sending.booked.map(({ receipt }) => receipt)

test('sent, mined, booked once it is final and not before', async () => {
  const transactions = make()
  await transactions.recover()
  const hash = await submitted(transactions)
  expect(transactions.pending).toEqual([decision])
  await mine(transactions, 1)
  expect([transactions.inFlight, transactions.open, booked().length]).toEqual([0, 1, 0])
  expect(transactions.pending.length).toBe(0)
  await mine(transactions, 3)
  expect(booked().map((receipt) => receipt.transactionHash)).toEqual([hash])
  expect(transactions.open).toBe(0)
})

test('several at once have nonces without a gap', async () => {
  const transactions = make()
  await transactions.recover()
  const first = await nonceOnChain()
  await Promise.all(
    Array.from({ length: 6 }, async () => transactions.submit(intent, decision, await head(), { cleared })),
  )
  expect([...store.transactions.keys()]).toEqual(Array.from({ length: 6 }, (_, index) => first + index))
  await mine(transactions, 4)
  expect(booked()).toHaveLength(6)
})

test('a transaction that the node dropped is sent again', async () => {
  const transactions = make()
  await transactions.recover()
  const hash = await submitted(transactions)
  await rpc(local.url, 'anvil_dropTransaction', hash)
  await mine(transactions, 5)
  expect(booked().map((receipt) => receipt.transactionHash)).toEqual([hash])
})

test('a transaction that is not mined is cancelled at its nonce, and later ones continue', async () => {
  const transactions = make()
  await transactions.recover()
  const nonce = await nonceOnChain()
  // A fee so low that no block includes it.
  const cheap = await transactions.submit(
    (at) => ({ ...intent(at), maxFeePerGas: 1n, maxPriorityFeePerGas: 0n }),
    decision,
    await head(),
    { cleared },
  )
  await transactions.submit(intent, decision, await head(), { cleared })
  await mine(transactions, 9)
  expect(store.transactions.get(nonce)?.attempts.map((attempt) => attempt.intent.type)).toEqual([
    'execute',
    'cancel',
  ])
  expect(booked().map((receipt) => receipt.transactionHash)).not.toContain(cheap)
  expect(booked()).toHaveLength(2)
  expect(await nonceOnChain()).toBe(nonce + 2)
})

test('a transaction that a reorganisation removes is sent again and booked once', async () => {
  const transactions = make()
  await transactions.recover()
  const hash = await submitted(transactions)
  await mine(transactions, 1)
  expect(transactions.inFlight).toBe(0)
  await rpc(local.url, 'anvil_reorg', 1, [])
  await transactions.refresh()
  expect(await local.chain.receipt(hash)).toBeUndefined()
  expect(transactions.inFlight).toBe(1)
  await mine(transactions, 5)
  expect(booked().map((receipt) => receipt.transactionHash)).toEqual([hash])
})

test('after a process died between recording and sending, its successor sends; nothing is doubled', async () => {
  const dying = make()
  await dying.recover()
  const nonce = await nonceOnChain()
  const original = local.chain.send.bind(local.chain)
  const sent: Hex[] = []
  local.chain.send = async () => {
    throw new Error('the process died here')
  }
  await expect(dying.submit(intent, decision, await head(), { cleared })).rejects.toThrow('died here')
  local.chain.send = async (raw) => {
    sent.push(raw)
    return original(raw)
  }
  const successor = make()
  await successor.recover()
  expect(sent).toHaveLength(1)
  const next = await submitted(successor)
  await mine(successor, 4)
  local.chain.send = original
  expect(booked().map((receipt) => receipt.transactionHash)).toContain(next)
  expect(booked()).toHaveLength(2)
  expect(await nonceOnChain()).toBe(nonce + 2)
})

test('a transaction that is not cleared is never sent, and the next one uses its nonce', async () => {
  const transactions = make()
  await transactions.recover()
  const nonce = await nonceOnChain()
  expect(
    await transactions.submit(intent, decision, await head(), { cleared: Promise.resolve(false) }),
  ).toBeUndefined()
  expect([transactions.inFlight, transactions.open, transactions.pending.length]).toEqual([0, 0, 0])
  const hash = await submitted(transactions)
  expect([...store.transactions.keys()]).toEqual([nonce])
  await mine(transactions, 4)
  expect(booked().map((receipt) => receipt.transactionHash)).toEqual([hash])
})

test('if a later transaction exists, its nonce is filled, and the later one is mined', async () => {
  const transactions = make()
  await transactions.recover()
  const nonce = await nonceOnChain()
  let refuse: (answer: boolean) => void = () => undefined
  const first = transactions.submit(intent, decision, await head(), {
    cleared: new Promise((resolve) => {
      refuse = resolve
    }),
  })
  const second = await submitted(transactions)
  expect([transactions.inFlight, transactions.open]).toEqual([1, 2])
  refuse(false)
  expect(await first).toBeUndefined()
  await mine(transactions, 4)
  expect(await nonceOnChain()).toBe(nonce + 2)
  expect(booked().map((receipt) => receipt.transactionHash)).toContain(second)
  expect(
    booked()
      .filter((receipt) => receipt.succeeded)
      .map((receipt) => receipt.gasUsed),
  ).toEqual([21_000n])
})

/** Attempts that the ledger refuses, by nonce. */
function refusing(...nonces: number[]) {
  const { recordAttempt } = store.ledger
  const attempts: string[] = []
  store.ledger.recordAttempt = async (attempt, by) => {
    attempts.push(`${attempt.intent.type} ${attempt.nonce}`)
    if (attempt.intent.type === 'execute' && nonces.includes(attempt.nonce))
      throw new KintsugiError('ledger-unreachable', 'the ledger cannot be reached')
    await recordAttempt(attempt, by)
  }
  return attempts
}

test('a transaction that could not be recorded is never sent, and the next one uses its nonce', async () => {
  const transactions = make()
  await transactions.recover()
  const nonce = await nonceOnChain()
  const { recordAttempt } = store.ledger
  refusing(nonce, nonce + 1)
  const both = await Promise.allSettled(
    [1, 2].map(async () => transactions.submit(intent, decision, await head(), { cleared })),
  )
  expect(both.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  await mine(transactions, 1)
  expect([transactions.open, await local.chain.transactionCount(SENDER, 'pending')]).toEqual([0, nonce])
  store.ledger.recordAttempt = recordAttempt
  const hash = await submitted(transactions)
  expect([...store.transactions.keys()]).toEqual([nonce])
  await mine(transactions, 4)
  expect(booked().map((receipt) => receipt.transactionHash)).toEqual([hash])
})

test('if a later transaction follows one that could not be recorded, the nonce is filled, and the later one is mined', async () => {
  const transactions = make()
  await transactions.recover()
  const nonce = await nonceOnChain()
  const attempts = refusing(nonce)
  const at = await head()
  const [first, second] = await Promise.allSettled(
    [1, 2].map(() => transactions.submit(intent, decision, at, { cleared })),
  )
  expect([first?.status, second?.status]).toEqual(['rejected', 'fulfilled'])
  await mine(transactions, 4)
  expect(attempts).toEqual([`execute ${nonce}`, `execute ${nonce + 1}`, `cancel ${nonce}`])
  expect(await nonceOnChain()).toBe(nonce + 2)
  expect(booked().map(({ succeeded, gasUsed }) => succeeded && gasUsed)).toEqual([21_000n, false])
})

test('a transaction is signed while the one before it is being recorded', async () => {
  const transactions = make()
  await transactions.recover()
  const { recordAttempt } = store.ledger
  let [recording, maxRecording] = [0, 0]
  store.ledger.recordAttempt = async (attempt, by) => {
    maxRecording = Math.max(maxRecording, ++recording)
    await new Promise((resolve) => setTimeout(resolve, 100))
    recording--
    await recordAttempt(attempt, by)
  }
  const at = await head()
  await Promise.all(Array.from({ length: 4 }, () => transactions.submit(intent, decision, at, { cleared })))
  expect(maxRecording).toBe(4)
  await mine(transactions, 4)
  expect(booked()).toHaveLength(4)
})

test('after a process died while it recorded one transaction and had recorded the next, its successor fills the gap', async () => {
  const dying = make()
  await dying.recover()
  const nonce = await nonceOnChain()
  const { recordAttempt } = store.ledger
  store.ledger.recordAttempt = (attempt, by) =>
    attempt.nonce === nonce ? new Promise(() => undefined) : recordAttempt(attempt, by)
  const at = await head()
  void dying.submit(intent, decision, at, { cleared })
  const second = (await dying.submit(intent, decision, at, { cleared }))?.hash
  store.ledger.recordAttempt = recordAttempt
  expect([...store.transactions.keys()]).toEqual([nonce + 1])
  const successor = make()
  await successor.recover()
  await mine(successor, 4)
  expect(await nonceOnChain()).toBe(nonce + 2)
  expect(store.transactions.get(nonce)?.attempts.map((attempt) => attempt.intent.type)).toEqual(['cancel'])
  expect(booked().map((receipt) => receipt.transactionHash)).toContain(second)
  const third = await submitted(successor)
  await mine(successor, 4)
  expect(booked().at(-1)?.transactionHash).toBe(third)
})
