import { expect, test } from 'vitest'
import { MemoryRecords } from '../../../test/support/memory-records.ts'
import { KintsugiError } from '../../std/errors.ts'
import { InputNeeded } from '../elicitation.ts'
import { runIdempotent } from './idempotency.ts'

const call = { key: 'k1', service: 'vault', tool: 'set', caller: 'ada', args: { to: 1 }, repeatable: false }

test('a key returns the first outcome; another caller, tool or key is another call; other arguments are refused', async () => {
  const records = new MemoryRecords()
  let ran = 0
  const run = async () => ({ ran: ++ran })
  expect(await runIdempotent(records, call, Date.now(), run)).toEqual({ ran: 1 })
  expect(await runIdempotent(records, call, Date.now(), run)).toEqual({ ran: 1 })
  for (const other of [{ caller: 'bob' }, { tool: 'get' }, { key: 'k2' }])
    await runIdempotent(records, { ...call, ...other }, Date.now(), run)
  expect(ran).toBe(4)
  await expect(runIdempotent(records, { ...call, args: { to: 2 } }, Date.now(), run)).rejects.toMatchObject({
    code: 'conflict',
  })
  await expect(runIdempotent(records, { ...call, key: 'a b' }, Date.now(), run)).rejects.toMatchObject({
    code: 'bad-argument',
  })
})

test('a failure is an outcome; a question is not', async () => {
  const records = new MemoryRecords()
  const fails = async () => {
    throw new KintsugiError('not-found', 'no such recipient')
  }
  await expect(runIdempotent(records, call, Date.now(), fails)).rejects.toMatchObject({ code: 'not-found' })
  await expect(runIdempotent(records, call, Date.now(), async () => ({ ok: true }))).rejects.toMatchObject({
    code: 'not-found',
    message: 'no such recipient',
  })
  const asked = { ...call, key: 'k2' }
  const asks = async () => {
    throw new InputNeeded({ resultType: 'input_required' })
  }
  await expect(runIdempotent(records, asked, Date.now(), asks)).rejects.toBeInstanceOf(InputNeeded)
  expect(await runIdempotent(records, asked, Date.now(), async () => ({ ok: true }))).toEqual({ ok: true })
})

test('a call without an outcome runs again only if it is repeatable', async () => {
  const records = new MemoryRecords()
  const never = runIdempotent(records, call, Date.now(), () => new Promise(() => undefined))
  await Promise.resolve()
  await expect(runIdempotent(records, call, Date.now(), async () => ({ ok: true }))).rejects.toMatchObject({
    code: 'ambiguous-outcome',
  })
  expect(
    await runIdempotent(records, { ...call, repeatable: true }, Date.now(), async () => ({ ok: true })),
  ).toEqual({
    ok: true,
  })
  void never
})
