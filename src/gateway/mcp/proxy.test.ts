/** Admission of a call at the gateway: authorised, counted against its token, refusals recorded. */
import { expect, test } from 'vitest'
import { type AccessPolicy, ANONYMOUS, type Caller, LOOPBACK_NAMES } from '../../mcp/host/access.ts'
import type { AuditEntry } from '../../ports/audit.ts'
import { admitCall } from './proxy.ts'
import type { Target } from './target.ts'

const access: AccessPolicy = {
  tokenHash: undefined,
  required: false,
  beyondLoopback: false,
  hostnames: LOOPBACK_NAMES,
}
const targetWith = (effect: Target['effect'], guarded = false): Target => ({
  service: 'vault',
  what: 'pay',
  effect,
  guarded,
  params: { arguments: { to: 'ada' } },
  name: 'pay',
})
function admit(caller: Caller, target: Target, now = 0, policy = access) {
  const recorded: AuditEntry[] = []
  const audit = { record: (entry: AuditEntry) => void recorded.push(entry) }
  let code = 'ok'
  try {
    admitCall(caller, target, { access: policy, audit: audit as never, now: () => now }, 'abc')
  } catch (error) {
    code = (error as { code: string }).code
  }
  return { code, recorded }
}
const reader = { name: 'ada', scopes: ['read'] }

test.each([
  ['anonymous reads', ANONYMOUS, targetWith('read'), access, 'ok'],
  ['anonymous writes', ANONYMOUS, targetWith('write'), access, 'token-required'],
  ['anonymous reads what is guarded', ANONYMOUS, targetWith('read', true), access, 'token-required'],
  [
    'anonymous reads, AUTH=required',
    ANONYMOUS,
    targetWith('read'),
    { ...access, required: true },
    'token-required',
  ],
  ['a reader reads', reader, targetWith('read', true), access, 'ok'],
  ['a reader writes', reader, targetWith('write'), access, 'insufficient-scope'],
  ['a writer of the tool', { name: 'eve', scopes: ['write:vault__pay'] }, targetWith('write'), access, 'ok'],
])('%s', (_name, caller, target, policy, code) => {
  expect(admit(caller, target, 0, policy).code).toBe(code)
})

test('a refusal is recorded with a hash of its arguments, an admitted call is not', () => {
  expect(admit(reader, targetWith('read')).recorded).toEqual([])
  expect(admit(reader, targetWith('spend'), 17).recorded).toEqual([
    {
      at: 17,
      who: 'ada',
      service: 'vault',
      tool: 'pay',
      effect: 'spend',
      // printf '{"to":"ada"}' | sha256sum
      argumentsHash: '1d2b11c60fa0363c0d803e42335ea9b6f8be985805e8a20f655cd04e936c0801',
      definitionHash: '',
      trace: 'abc',
      decision: 'refused',
      outcome: 'insufficient-scope',
      durationMs: null,
    },
  ])
})

test('a limited token is refused beyond its calls per minute, and admitted again later; others are not affected', () => {
  const limited = { ...reader, limit: { id: 'proxy-test-1', callsPerMinute: 2 } }
  const other = { ...reader, limit: { id: 'proxy-test-2', callsPerMinute: 2 } }
  const target = targetWith('read')
  expect([0, 1, 2].map((now) => admit(limited, target, now).code)).toEqual(['ok', 'ok', 'too-many-calls'])
  expect(admit(limited, target, 3).recorded[0]).toMatchObject({ outcome: 'too-many-calls' })
  expect(admit(other, target, 3).code).toBe('ok')
  expect(admit(reader, target, 3).code).toBe('ok')
  expect(admit(limited, target, 60_003).code).toBe('ok')
})
