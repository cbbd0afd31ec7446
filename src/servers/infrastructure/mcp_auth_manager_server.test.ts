import { decodeJwt } from 'jose'
import { expect, test } from 'vitest'
import { type Harness, harness, World } from '../../../test/support/harness.ts'
import { tokenIssuer } from '../../../test/support/world/tokens.ts'
import { START_MS } from '../../../test/support/world/world.ts'
import server from './mcp_auth_manager_server.ts'

const start = async (scopes = ['spend']): Promise<Harness> => {
  const world = new World()
  return harness(server, {
    world,
    ports: { access: tokenIssuer(world.now) },
    caller: { name: 'spec', scopes },
  })
}

test("issue_token: a signed token with the role's scopes, ending when it was told to", async () => {
  const { call } = await start()
  const { token, grant } = await call('issue_token', { subject: 'ada', role: 'reader', hours: 2 })
  expect(decodeJwt(token)).toMatchObject({
    sub: 'ada',
    scope: 'read',
    jti: grant.id,
    exp: START_MS / 1_000 + 7_200,
  })
  expect(grant).toMatchObject({
    state: 'valid',
    callsPerMinute: null,
    expiresAt: START_MS + 7_200_000,
    expiresAtIso: '2026-11-24T10:00:00.000Z',
  })
  const limited = await call('issue_token', {
    subject: 'bob',
    scopes: ['write:mcp_server_manager'],
    callsPerMinute: 5,
  })
  expect(decodeJwt(limited.token)).toMatchObject({
    sub: 'bob',
    scope: 'write:mcp_server_manager',
    callsPerMinute: 5,
  })
})

test('nobody grants more than they have, nor a reserved name, nor both a role and scopes', async () => {
  const { refusal, call } = await start(['write'])
  expect((await refusal('issue_token', { subject: 'eve', role: 'admin' })).code).toBe('insufficient-scope')
  expect((await call('issue_token', { subject: 'eve', role: 'operator' })).grant.scopes).toEqual(['write'])
  expect((await refusal('issue_token', { subject: 'Operator', role: 'reader' })).message).toContain('subject')
  expect((await refusal('issue_token', { subject: 'eve', role: 'reader', scopes: ['read'] })).code).toBe(
    'bad-argument',
  )
})

test('revoke_token and introspect_token: what was valid is not any more', async () => {
  const { call, refusal } = await start()
  const { token, grant } = await call('issue_token', { subject: 'ada', role: 'reader' })
  expect(await call('introspect_token', { token })).toMatchObject({
    active: true,
    id: grant.id,
    subject: 'ada',
    expiresAt: grant.expiresAt,
  })
  expect((await call('revoke_token', { id: grant.id })).grant).toMatchObject({
    id: grant.id,
    state: 'revoked',
  })
  expect(await call('introspect_token', { token })).toMatchObject({
    active: false,
    subject: null,
    expiresAt: null,
  })
  const other = await call('issue_token', { subject: 'bob', role: 'reader' })
  expect((await call('revoke_token', { id: other.grant.id })).grant.subject).toBe('bob')
  expect((await refusal('revoke_token', { id: 'none' })).code).toBe('not-found')
})

test('list_tokens: newest first, by state, with pages; expired ones say so', async () => {
  const { call, world } = await start()
  for (const subject of ['a', 'b', 'c'])
    await call('issue_token', { subject, role: 'reader', hours: subject === 'b' ? 1 : 5 })
  const { tokens, total } = await call('list_tokens', { limit: 2 })
  expect([total, tokens.map(({ subject }: { subject: string }) => subject)]).toEqual([3, ['c', 'b']])
  world.pass(2 * 3_600_000)
  expect(await call('list_tokens', { state: 'expired' })).toMatchObject({
    total: 1,
    tokens: [{ subject: 'b' }],
  })
  expect((await call('list_tokens', { state: 'valid' })).total).toBe(2)
})

test('rotate_keys: a new key signs; earlier tokens end only where that is wanted', async () => {
  const { call } = await start()
  const { token } = await call('issue_token', { subject: 'ada', role: 'reader' })
  const first = await call('rotate_keys')
  expect([first.revoked, (await call('introspect_token', { token })).active]).toEqual([0, true])
  const second = await call('rotate_keys', { revokeEarlier: true })
  expect([second.revoked, second.key === first.key]).toEqual([1, false])
  expect((await call('introspect_token', { token })).active).toBe(false)
})

test('list_roles: a reader only reads, an operator writes, a trader spends on three services alone', async () => {
  const { call } = await start()
  const { roles } = await call('list_roles')
  const scopes = Object.fromEntries(
    roles.map(({ role, scopes }: { role: string; scopes: string[] }) => [role, scopes]),
  )
  expect(scopes).toEqual({
    reader: ['read'],
    operator: ['write'],
    trader: [
      'read',
      'spend:transaction_executor',
      'spend:working_flash_loan_mcp',
      'spend:aave_flash_loan_mcp_server',
    ],
    admin: ['spend'],
  })
  const granted = async (held: string[]) =>
    (await (await start(held)).call('list_roles')).roles.flatMap(
      ({ role, grantable }: { role: string; grantable: boolean }) => (grantable ? [role] : []),
    )
  expect(await granted(['write'])).toEqual(['reader', 'operator'])
  expect(await granted(['spend'])).toEqual(['reader', 'operator', 'trader', 'admin'])
  for (const { role } of roles) {
    const { grant } = await call('issue_token', { subject: 'x', role })
    expect(grant.scopes).toEqual(scopes[role])
  }
})
