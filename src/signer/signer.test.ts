import { appendFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { keccak256, parseTransaction, recoverMessageAddress, recoverTransactionAddress } from 'viem'
import { afterAll, describe, expect, test } from 'vitest'
import type { Intent } from '../intents/index.ts'
import { SignerJournal } from './journal.ts'
import { localKeys, parseKey } from './keys.ts'
import { refusalOf, type SignerPolicy } from './policy.ts'
import { answer } from './signer.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-signer-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
const { operator, treasury, identity } = localKeys(folder)
const account = operator.address.toLowerCase() as `0x${string}`
const NOW = 1_000_000_000
const policy: SignerPolicy = {
  chainId: 31_337,
  account,
  executor: `0x${'e'.repeat(40)}`,
  maxGasCost: 1_000n,
  maxGasCostPerWindow: 1_500n,
  windowMs: 60_000,
  maxDeadlineAhead: 60,
}
const fresh = { lease: 5, spent: [] }
const address = (digit: string) => `0x${digit.repeat(40)}` as `0x${string}`
const execute: Intent = {
  type: 'execute',
  chainId: 31_337,
  account,
  nonce: 3,
  gasLimit: 100n,
  maxFeePerGas: 10n,
  maxPriorityFeePerGas: 1n,
  lease: 5,
  executor: policy.executor,
  lender: { kind: 'aave-v3', address: address('a'), isToken0: false },
  token: address('b'),
  amount: 5n,
  minProfit: 1n,
  deadline: NOW / 1_000 + 30,
  cycles: [
    {
      amountIn: 1n,
      legs: [
        { venue: 'pair', pool: address('c'), tokenIn: address('b'), feeBps: 30 },
        { venue: 'concentrated', pool: address('d'), tokenIn: address('f'), feeBps: 0 },
      ],
    },
  ],
}

describe('policy', () => {
  test('an intent within the limits is signed, exact to the unit', () => {
    expect(refusalOf(execute, policy, fresh, NOW)).toBeUndefined()
    expect(refusalOf({ ...execute, gasLimit: 101n }, policy, fresh, NOW)).toMatch(/cap per transaction/)
    expect(
      refusalOf(execute, policy, { lease: 5, spent: [{ at: NOW - 1, nonce: 2, wei: 500n }] }, NOW),
    ).toBeUndefined()
    expect(
      refusalOf(execute, policy, { lease: 5, spent: [{ at: NOW - 1, nonce: 2, wei: 501n }] }, NOW),
    ).toMatch(/within the window/)
    // Outside the window, or replaced at the same nonce, it does not count twice.
    expect(
      refusalOf(execute, policy, { lease: 5, spent: [{ at: NOW - 60_000, nonce: 2, wei: 501n }] }, NOW),
    ).toBeUndefined()
    expect(
      refusalOf(
        execute,
        policy,
        {
          lease: 5,
          spent: [
            { at: NOW - 1, nonce: 3, wei: 1_000n },
            { at: NOW - 1, nonce: 2, wei: 500n },
          ],
        },
        NOW,
      ),
    ).toBeUndefined()
  })

  test.each([
    ['another chain', { chainId: 1 }, /chain 1/],
    ['another account', { account: address('9') }, /this signer holds/],
    ['another contract', { executor: address('9') }, /only 0xe/],
    ['an old lease', { lease: 4 }, /newer executor/],
    ['no profit', { minProfit: 0n }, /minProfit/],
    ['a deadline in the past', { deadline: NOW / 1_000 }, /passed/],
    ['a deadline far ahead', { deadline: NOW / 1_000 + 61 }, /at most 60/],
    ['a tip above the fee', { maxPriorityFeePerGas: 11n }, /above maxFeePerGas/],
  ])('refuses %s', (_, change, why) => {
    expect(refusalOf({ ...execute, ...change } as Intent, policy, fresh, NOW)).toMatch(why)
  })
})

describe('journal', () => {
  test('recorded signatures survive, a torn last line is cut', async () => {
    const path = join(folder, 'journal')
    const first = new SignerJournal(path, 60_000, NOW)
    await first.append({ at: NOW, nonce: 1, wei: 700n, lease: 9 })
    await first.append({ at: NOW, nonce: 2, wei: 1n << 90n, lease: 8 })
    appendFileSync(path, '{"at":5,"non')
    const second = new SignerJournal(path, 60_000, NOW)
    expect(second.state(NOW)).toEqual({
      lease: 9,
      spent: [
        { at: NOW, nonce: 1, wei: 700n, lease: 9 },
        { at: NOW, nonce: 2, wei: 1n << 90n, lease: 8 },
      ],
    })
    await second.append({ at: NOW, nonce: 3, wei: 1n, lease: 9 })
    expect(readFileSync(path, 'utf8').split('\n')).toHaveLength(4)
    expect(second.state(NOW + 60_001).spent).toEqual([])
    expect(second.state(NOW + 60_001).lease).toBe(9)
  })
})

describe('answers', () => {
  const parts = () => ({
    account: operator,
    identity,
    policy: () => policy,
    halted: () => undefined as string | undefined,
    journal: new SignerJournal(join(folder, `j${Math.random()}`), 60_000, NOW),
    now: () => NOW,
  })

  test('a signature is by the account, over the contract call and nothing else', async () => {
    const reply = await answer({ id: 1, op: 'sign', intent: execute }, parts())
    if (!('raw' in reply)) throw new Error(JSON.stringify(reply))
    expect(
      (await recoverTransactionAddress({ serializedTransaction: reply.raw as never })).toLowerCase(),
    ).toBe(account)
    expect(parseTransaction(reply.raw)).toMatchObject({
      to: policy.executor,
      nonce: 3,
      chainId: 31_337,
      gas: 100n,
    })
  })

  test('while trading is halted nothing is signed, and nothing is written down; a relay still learns who we are', async () => {
    const own = { ...parts(), halted: () => 'halted by ada at 2026-11-24T14:06:02Z: maintenance' }
    const cancel = { ...execute, type: 'cancel' }
    for (const intent of [execute, cancel])
      expect(await answer({ id: 1, op: 'sign', intent }, own)).toMatchObject({
        error: {
          code: 'signer-refused',
          message: 'nothing is signed: trading is halted by ada at 2026-11-24T14:06:02Z: maintenance',
        },
      })
    expect(own.journal.state(NOW).spent).toEqual([])
    expect(await answer({ id: 2, op: 'identify', digest: keccak256('0x01') }, own)).toHaveProperty(
      'signature',
    )
  })

  test('requests at the same instant count against one cap', async () => {
    const own = parts()
    const replies = await Promise.all(
      [3, 4].map((nonce) => answer({ id: nonce, op: 'sign', intent: { ...execute, nonce } }, own)),
    )
    expect(replies.map((reply) => 'raw' in reply)).toEqual([true, false])
    expect(replies[1]).toMatchObject({ error: { message: expect.stringContaining('within the window') } })
  })

  test('a signature that cannot be recorded is not returned', async () => {
    const own = parts()
    own.journal.append = () => Promise.reject(new Error('no space left on device'))
    expect(await answer({ id: 1, op: 'sign', intent: execute }, own)).toMatchObject({
      error: { message: expect.stringContaining('no space left') },
    })
  })

  test('requests to relays are signed with a separate key, as text over digests only', async () => {
    const digest = keccak256('0x01')
    const reply = await answer({ id: 1, op: 'identify', digest }, parts())
    if (!('signature' in reply)) throw new Error(JSON.stringify(reply))
    expect(await recoverMessageAddress({ message: digest, signature: reply.signature })).toBe(
      identity.address,
    )
    expect(identity.address).not.toBe(operator.address)
    expect(await answer({ id: 2, op: 'identify', digest: 'pay me' }, parts())).toMatchObject({
      error: { code: 'signer-refused' },
    })
  })

  test('a refusal leaves nothing in the journal', async () => {
    const own = parts()
    const reply = await answer({ id: 2, op: 'sign', intent: { ...execute, chainId: 1 } }, own)
    expect(reply).toMatchObject({ error: { code: 'signer-refused' } })
    expect(await answer({ id: 3, op: 'sign', intent: { hash: '0x00' } }, own)).toMatchObject({
      error: { code: 'signer-refused' },
    })
    expect(own.journal.state(NOW).spent).toEqual([])
  })

  test('a broken key is never repeated in the message', () => {
    const secret = `${'ab'.repeat(31)}zz`
    expect(() => parseKey(secret, 'ARBITRAGE_PRIVATE_KEY')).toThrow(
      /ARBITRAGE_PRIVATE_KEY: not a private key/,
    )
    try {
      parseKey(secret, 'X')
    } catch (error) {
      expect(JSON.stringify(error) + String(error)).not.toContain('abab')
    }
    expect(() => parseKey('0'.repeat(64), 'X')).toThrow(/not a private key/)
    expect(localKeys(folder).operator.address).toBe(operator.address)
    expect(treasury).not.toBe(account)
  })
})
