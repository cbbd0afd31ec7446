import { describe, expect, test } from 'vitest'
import {
  type AccessPolicy,
  ANONYMOUS,
  authorize,
  type Caller,
  checkOrigin,
  countCall,
  hashToken,
  identify,
  LOOPBACK_NAMES,
  requireToken,
} from './access.ts'

const open: AccessPolicy = {
  tokenHash: hashToken('own'),
  service: (token) => (token === 'process' ? 'detector' : undefined),
  verify: async (token) =>
    token === 'ada'
      ? { id: 'token-1', subject: 'ada', scopes: ['write:vault'], expiresAt: 1, callsPerMinute: 3 }
      : undefined,
  required: false,
  beyondLoopback: false,
  hostnames: LOOPBACK_NAMES,
}
const codeOf = (work: () => unknown): string => {
  try {
    work()
    return 'ok'
  } catch (error) {
    return (error as { code: string }).code
  }
}

test.each([
  [undefined, { name: 'anonymous', scopes: [] }],
  ['Bearer own', { name: 'operator', scopes: ['spend'] }],
  ['bearer own', { name: 'operator', scopes: ['spend'] }],
  ['Bearer process', { name: 'detector', scopes: ['spend'], service: true }],
  ['Bearer ada', { name: 'ada', scopes: ['write:vault'], limit: { id: 'token-1', callsPerMinute: 3 } }],
])('the token %s identifies its caller', async (authorization, caller) => {
  expect(await identify(open, new Headers(authorization === undefined ? {} : { authorization }))).toEqual(
    caller,
  )
})

test.each(['Bearer eve', 'own', 'Bearer', 'Basic own'])(
  '%s is an invalid token, not an absent one',
  async (authorization) => {
    await expect(identify(open, new Headers({ authorization }))).rejects.toMatchObject({ code: 'bad-token' })
  },
)

describe('a call', () => {
  const vault = { service: 'vault', tool: 'set' }
  const writer: Caller = { name: 'ada', scopes: ['write:vault'] }
  test.each([
    ['an anonymous read', ANONYMOUS, { ...vault, effect: 'read' }, {}, 'ok'],
    [
      'an anonymous guarded read',
      ANONYMOUS,
      { ...vault, effect: 'read', guarded: true },
      {},
      'token-required',
    ],
    [
      'an anonymous read with AUTH=required',
      ANONYMOUS,
      { ...vault, effect: 'read' },
      { required: true },
      'token-required',
    ],
    [
      'an anonymous read from outside',
      ANONYMOUS,
      { ...vault, effect: 'read' },
      { beyondLoopback: true },
      'token-required',
    ],
    ['an anonymous write', ANONYMOUS, { ...vault, effect: 'write' }, {}, 'token-required'],
    ['a write within the scope', writer, { ...vault, effect: 'write' }, {}, 'ok'],
    ['a spend beyond the scope', writer, { ...vault, effect: 'spend' }, {}, 'insufficient-scope'],
    ['a write of another service', writer, { service: 'other', effect: 'write' }, {}, 'insufficient-scope'],
    ['an unrestricted read of another service', writer, { service: 'other', effect: 'read' }, {}, 'ok'],
    [
      'a restricted read of another service',
      writer,
      { service: 'other', effect: 'read' },
      { required: true },
      'insufficient-scope',
    ],
  ] as const)('%s', (_, caller, wanted, policy, code) => {
    expect(codeOf(() => authorize({ ...open, ...policy }, caller, wanted))).toBe(code)
  })

  test('without a token only an open service is used', () => {
    expect(codeOf(() => requireToken(open, ANONYMOUS))).toBe('ok')
    for (const policy of [{ required: true }, { beyondLoopback: true }]) {
      expect(codeOf(() => requireToken({ ...open, ...policy }, ANONYMOUS))).toBe('token-required')
      expect(codeOf(() => requireToken({ ...open, ...policy }, writer))).toBe('ok')
    }
  })
})

test('each token has a limit of its own, which refills with time', () => {
  const limited = (id: string): Caller => ({ name: id, scopes: [], limit: { id, callsPerMinute: 6 } })
  const calls = (id: string, now: number, count: number) =>
    Array.from({ length: count }, () => codeOf(() => countCall(limited(id), now)))
  expect(calls('a', 0, 7)).toEqual([...Array(6).fill('ok'), 'too-many-calls'])
  expect(calls('b', 0, 1)).toEqual(['ok'])
  expect(calls('a', 10_000, 2)).toEqual(['ok', 'too-many-calls'])
  expect(codeOf(() => countCall({ name: 'c', scopes: [] }, 0))).toBe('ok')
})

test.each([
  ['localhost:8000', undefined, 'ok'],
  ['127.0.0.1', 'http://localhost:3000', 'ok'],
  ['evil.example', undefined, 'forbidden-host'],
  ['localhost', 'http://evil.example', 'forbidden-origin'],
])('Host %s with Origin %s: %s', (hostname, origin, code) => {
  const headers = new Headers({ host: hostname, ...(origin === undefined ? {} : { origin }) })
  expect(codeOf(() => checkOrigin(open, headers))).toBe(code)
})
