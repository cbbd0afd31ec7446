/**
 * An executor that is replaced while it sends, on a real chain: whatever step it was at, no transaction is
 * lost, none is sent twice, and none is replaced without an end.
 */
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { submitterOf } from '../src/engine/trading/submission.ts'
import type { Transactions, TransactionsOptions } from '../src/engine/trading/transactions.ts'
import { rpc } from '../src/localnet/rpc.ts'
import { KintsugiError } from '../src/std/errors.ts'
import { startTestChain, type TestChain } from './support/local-chain.ts'
import { cleared, decisionOf, lenientSigner, SENDER, Sending } from './support/sending.ts'

let local: TestChain
let sending: Sending
beforeAll(async () => {
  local = await startTestChain()
  await Sending.fund(local)
})
afterAll(() => local?.stop())
beforeEach(() => {
  sending = new Sending(local)
})

type Step = 'sign' | 'recordAttempt' | 'send'
/** `lost`: it never takes effect. `late`: it takes effect once the successor has begun. */
type Effect = 'lost' | 'done' | 'late'

/** A process that is killed at its `count`th call of a step: from then on none of its calls returns. */
class Doomed {
  readonly transactions: Transactions
  /** The effects of its last calls that are still under way. */
  readonly late: (() => Promise<unknown>)[] = []
  readonly died = Promise.withResolvers<void>()
  #dead = false
  #left: number

  constructor(killAt: Step, count: number, effect: Effect) {
    this.#left = count
    const call = async <T>(step: Step, work: () => Promise<T>): Promise<T> => {
      if (!this.#dead && step === killAt && --this.#left === 0) {
        this.#dead = true
        if (effect === 'done') await work()
        else if (effect === 'late') this.late.push(work)
        this.died.resolve()
      }
      if (this.#dead) return new Promise(() => undefined)
      const result = await work()
      return this.#dead ? new Promise(() => undefined) : result
    }
    const { ledger } = sending.store
    const submitter = submitterOf({ kind: 'public' }, local.chain, [])
    this.transactions = sending.make({
      signer: { ...lenientSigner, sign: (intent) => call('sign', () => lenientSigner.sign(intent)) },
      ledger: {
        ...ledger,
        recordAttempt: (...given) => call('recordAttempt', () => ledger.recordAttempt(...given)),
      },
      submitter: { ...submitter, send: (...given) => call('send', () => submitter.send(...given)) },
    } satisfies Partial<TransactionsOptions>)
  }
}

const BENIGN = /already imported|nonce too low/
const STEPS: Step[] = ['sign', 'recordAttempt', 'send']
test.each(
  STEPS.flatMap((step) =>
    [1, 2].flatMap((count) =>
      (['lost', 'done', 'late'] as const).map((effect) => [step, count, effect] as const),
    ),
  ),
)(
  'killed at %s number %i (%s): its successor settles everything, without a gap',
  async (step, count, effect) => {
    const first = await sending.nextNonce()
    const doomed = new Doomed(step, count, effect)
    await doomed.transactions.recover()
    const at = await sending.head()
    for (const id of ['opp_a', 'opp_b'])
      void doomed.transactions.submit((nonce) => sending.intent(nonce), decisionOf(id), at, { cleared })
    await doomed.died.promise
    const successor = sending.make()
    await successor.recover()
    await Promise.all(doomed.late.map((work) => work().catch(() => undefined)))
    const own = await sending.submit(successor, 'opp_c')
    await sending.mine(successor, 12)
    const next = await sending.submit(successor, 'opp_d')
    await sending.mine(successor, 4)
    expect([successor.open, successor.pending]).toEqual([0, []])
    const end = await sending.nextNonce()
    expect(sending.booked.map(({ nonce }) => nonce)).toEqual(
      Array.from({ length: end - first }, (_, index) => first + index),
    )
    const hashes = sending.booked.map(({ receipt }) => receipt.transactionHash)
    expect(new Set(hashes).size).toBe(hashes.length)
    expect(hashes).toContain(own)
    expect(hashes.at(-1)).toBe(next)
    for (const { attempts } of sending.store.transactions.values())
      expect(attempts.length).toBeLessThanOrEqual(2)
    expect(sending.notes.filter((note) => BENIGN.test(note))).toEqual([])
    expect(sending.troubles).toEqual([])
  },
)

test('a predecessor that still sends at the same nonce wins: its trade is booked as its own, and nothing is replaced', async () => {
  const predecessor = sending.make()
  await predecessor.recover()
  const recorded = Promise.withResolvers<void>()
  const { recordAttempt } = sending.store.ledger
  sending.store.ledger.recordAttempt = async (...given) => {
    await recorded.promise
    return recordAttempt(...given)
  }
  const theirs = sending.submit(predecessor, 'opp_theirs', 10n ** 10n)
  sending.store.ledger.recordAttempt = recordAttempt
  const successor = sending.make()
  await successor.recover()
  const nonce = await sending.nextNonce()
  await sending.submit(successor, 'opp_ours')
  // It offers more, so that the node takes it in place of the successor's.
  recorded.resolve()
  const hash = await theirs
  await sending.mine(successor, 10)
  expect(sending.booked).toMatchObject([
    { nonce, decisionId: 'opp_theirs', receipt: { transactionHash: hash } },
  ])
  expect([successor.open, successor.pending, sending.troubles]).toEqual([0, [], []])
  expect(sending.store.transactions.get(nonce)?.attempts.map(({ intent }) => intent.type)).toEqual([
    'execute',
    'execute',
  ])
  const next = await sending.submit(successor, 'opp_next')
  await sending.mine(successor, 4)
  expect(sending.booked.at(-1)).toMatchObject({ nonce: nonce + 1, receipt: { transactionHash: next } })
})

test('a transaction that the ledger does not know uses the nonce: ours ends, is reported, and its pools are free', async () => {
  const transactions = sending.make()
  await transactions.recover()
  const nonce = await sending.nextNonce()
  const foreign = await lenientSigner.sign(sending.intent(nonce, 10n ** 10n))
  await local.chain.send(foreign.raw)
  await sending.submit(transactions, 'opp_ours')
  expect(transactions.pending).toHaveLength(1)
  await sending.mine(transactions, 10)
  expect([transactions.open, transactions.pending, sending.booked]).toEqual([0, [], []])
  expect(sending.troubles).toEqual([expect.stringContaining(`transaction-replaced: nonce ${nonce} was used`)])
  expect(sending.store.transactions.get(nonce)).toMatchObject({
    record: { status: 'replaced' },
    attempts: [{ decisionId: 'opp_ours' }],
  })
  await sending.submit(transactions, 'opp_next')
  await sending.mine(transactions, 4)
  expect(sending.booked).toMatchObject([{ nonce: nonce + 1, decisionId: 'opp_next' }])
})

test('a node that loses everything: a bounded number of replacements, reported once; booked once it works again', async () => {
  const submitter = submitterOf({ kind: 'public' }, local.chain, [])
  let lossy = true
  const transactions = sending.make({
    submitter: { ...submitter, send: async (...given) => (lossy ? undefined : submitter.send(...given)) },
  })
  await transactions.recover()
  const nonce = await sending.nextNonce()
  await sending.submit(transactions, 'opp_lost')
  await sending.mine(transactions, 60)
  const attempts = () => sending.store.transactions.get(nonce)?.attempts.map(({ intent }) => intent.type)
  expect(attempts()).toEqual(['execute', ...Array(5).fill('cancel')])
  expect(sending.troubles).toEqual([
    expect.stringMatching(/^transaction-stuck: nonce \d+ is not mined.*5 times/),
  ])
  expect([transactions.open, transactions.pending]).toEqual([1, []])
  // A successor counts what was replaced before it.
  const successor = sending.make({
    submitter: { ...submitter, send: async (...given) => (lossy ? undefined : submitter.send(...given)) },
  })
  await successor.recover()
  await sending.mine(successor, 20)
  expect(attempts()).toHaveLength(6)
  lossy = false
  await sending.mine(successor, 10)
  expect([successor.open, await sending.nextNonce()]).toEqual([0, nonce + 1])
  expect(sending.booked.map(({ receipt }) => receipt.gasUsed)).toEqual([21_000n])
})

test('a signer that refuses the higher fee ends the replacements at once', async () => {
  let refusals = 0
  const transactions = sending.make({
    signer: {
      ...lenientSigner,
      sign: (intent) => {
        if (intent.type === 'execute') return lenientSigner.sign(intent)
        refusals++
        return Promise.reject(new KintsugiError('signer-refused', 'gas of up to 9 wei: the cap is 8'))
      },
    },
    submitter: { ...submitterOf({ kind: 'public' }, local.chain, []), send: async () => undefined },
  })
  await transactions.recover()
  await sending.submit(transactions, 'opp_lost')
  await sending.mine(transactions, 30)
  expect([refusals, sending.troubles]).toEqual([1, [expect.stringContaining('the cap is 8')]])
  expect(sending.notes).toEqual([])
  // The transaction is offered again once the node works.
  const successor = sending.make()
  await successor.recover()
  await sending.mine(successor, 4)
  expect(sending.booked).toHaveLength(1)
})

test('while trading is halted: what was sent is followed and booked, nothing is sent again or replaced; a stuck nonce is filled afterwards', async () => {
  const submitter = submitterOf({ kind: 'public' }, local.chain, [])
  let halted: string | undefined
  let sends = 0
  const options = {
    forbidden: () => halted,
    submitter: {
      ...submitter,
      send: async (...given: Parameters<typeof submitter.send>) => {
        sends++
        return submitter.send(...given)
      },
    },
  }
  const transactions = sending.make(options)
  await transactions.recover()
  const nonce = await sending.nextNonce()
  await sending.submit(transactions, 'opp_mined')
  const lost = await sending.submit(transactions, 'opp_lost')
  halted = 'trading is halted'
  await rpc(local.url, 'anvil_dropTransaction', lost)
  await sending.mine(transactions, 12)
  expect(sending.booked).toMatchObject([{ nonce, decisionId: 'opp_mined' }])
  // A successor that starts while trading is halted sends nothing either.
  const successor = sending.make(options)
  await successor.recover()
  await sending.mine(successor, 6)
  expect([sends, successor.open, sending.notes]).toEqual([2, 1, []])
  await expect(sending.submit(successor, 'opp_refused')).rejects.toMatchObject({
    stage: 'signing',
    message: 'trading is halted',
  })
  halted = undefined
  await sending.mine(successor, 6)
  expect([successor.open, await sending.nextNonce()]).toEqual([0, nonce + 2])
  expect(sending.booked.at(-1)).toMatchObject({ nonce: nonce + 1, receipt: { gasUsed: 21_000n } })
})

test('a nonce that is missing below ours is filled, even if that shows later only', async () => {
  const transactions = sending.make()
  await transactions.recover()
  const nonce = await sending.nextNonce()
  await sending.submit(transactions, 'opp_a')
  await sending.submit(transactions, 'opp_b')
  const other = sending.make()
  await other.recover()
  // The chain and the ledger forget the first one.
  const dropped = sending.store.transactions.get(nonce)?.attempts[0]?.hash
  await rpc(local.url, 'anvil_dropTransaction', dropped)
  sending.store.transactions.delete(nonce)
  const successor = sending.make()
  await successor.recover()
  await sending.mine(successor, 5)
  expect([successor.open, await local.chain.transactionCount(SENDER, 'latest')]).toEqual([0, nonce + 2])
  expect(sending.booked.map(({ receipt }) => receipt.gasUsed === 21_000n)).toEqual([true, false])
})
