import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import server from './mcp_risk_manager_server.ts'

test('halt_trading: names the caller; the first halt stays. resume_trading: ends the halt that was seen', async () => {
  const { call, refusal, world } = await harness(server)
  expect((await call('risk_status')).halt).toBeNull()
  const at = world.now()
  const halt = { by: 'spec', at, reason: 'the prices look wrong' }
  expect(await call('halt_trading', { reason: 'the prices look wrong' })).toEqual({ halt })
  world.pass(5_000)
  expect(await call('halt_trading')).toEqual({ halt })
  expect([(await call('risk_status')).halt, world.halt.current()]).toEqual([halt, halt])
  expect(await refusal('resume_trading', { haltedAt: at + 1 })).toMatchObject({ code: 'conflict' })
  expect(await call('resume_trading', { haltedAt: at })).toEqual({ ended: halt })
  expect(world.halt.current()).toBeUndefined()
  expect(await call('halt_trading')).toEqual({
    halt: { by: 'spec', at: at + 5_000, reason: 'no reason given' },
  })
  expect(await call('resume_trading', { haltedAt: at + 5_000 })).toMatchObject({
    ended: { reason: 'no reason given' },
  })
})

test('risk_status: the limits in force, and the transactions of this chain that are open', async () => {
  const { call, world } = await harness(server)
  expect(await call('risk_status')).toMatchObject({
    openTransactions: 0,
    limits: { maxInFlight: 6, maxAgeBlocks: 1, minNetProfitNative: { raw: '1' } },
  })
  const decision = await world.decide()
  const { genesis } = world.market.manifest
  const attempt = {
    account: `0x${'a'.repeat(40)}` as const,
    nonce: 1,
    decisionId: decision.id,
    raw: '0x00' as const,
    sentAt: 1,
    sentAtBlock: 1,
    intent: { type: 'cancel' } as never,
  }
  await world.ledger.recordAttempt({ ...attempt, genesis, hash: '0x01' }, decision)
  await world.ledger.recordAttempt({ ...attempt, genesis: `0x${'9'.repeat(64)}`, hash: '0x02' })
  expect((await call('risk_status')).openTransactions).toBe(1)
})
