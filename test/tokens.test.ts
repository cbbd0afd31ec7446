/**
 * Tokens at a service's own port and at the gateway: their rights, and the values that are refused as a
 * token.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import type { Server } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAdaptorServer } from '@hono/node-server'
import { exportJWK, generateKeyPair, importJWK, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { ISSUER, TokenIssuer, TokenVerifier } from '../src/adapters/access/tokens.ts'
import { DEFAULT_BALANCING, Dispatch } from '../src/adapters/dispatch/dispatcher.ts'
import { Directory } from '../src/gateway/mcp/directory.ts'
import { mcpEndpoint } from '../src/gateway/mcp/endpoint.ts'
import { MetaTools } from '../src/gateway/mcp/meta-tools.ts'
import { Sessions } from '../src/gateway/mcp/sessions.ts'
import { defineServer } from '../src/mcp/define.ts'
import { type AccessPolicy, hashToken, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import { guardedApp } from '../src/mcp/host/http-app.ts'
import type { ServiceDefinitions } from '../src/ports/definitions.ts'
import type { ServiceStatus } from '../src/ports/fleet.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'
import { MemoryBus } from './support/memory-bus.ts'

const root = mkdtempSync(join(tmpdir(), 'kintsugi-tokens-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))

const who = {
  input: {},
  output: { by: z.string() },
  examples: [{}],
  run: (_input: object, { caller }: { caller: string }) => ({ by: caller }),
}
const server = defineServer({
  id: 'vault',
  needs: [],
  tools: ({ read, write, spend }) => ({
    look: read({ description: 'read', ...who }),
    peek: read({ description: 'guarded read', guarded: true, ...who }),
    change: write({ description: 'write', ...who }),
    pay: spend({ description: 'spend', ...who }),
  }),
})

let time = Date.parse('2026-11-23T10:00:00Z')
let count = 0
let folder = ''
let issuer: TokenIssuer
let ask: (
  tool: string,
  headers?: Record<string, string>,
  path?: string,
) => Promise<{ status: number; body: { result?: { by: string }; error?: { code: string; message: string } } }>

const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
const tokenWith = async (...scopes: string[]) =>
  (await issuer.issue({ subject: 'ada', scopes, seconds: 3_600 })).token

/** Calls the service through a gateway, as a client of 2026. */
async function atGateway(access: AccessPolicy, port: number): Promise<typeof ask> {
  const directory = new Directory({
    now: () => time,
    fetchDefinitions: async () =>
      (await (await fetch(`http://127.0.0.1:${port}/definitions`)).json()) as ServiceDefinitions,
    onChange: () => undefined,
  })
  await directory.follow([
    { id: 'vault', kind: 'server', pid: 1, port, status: 'healthy' } as unknown as ServiceStatus,
  ])
  const endpoint = mcpEndpoint({
    directory,
    meta: new MetaTools(directory),
    dispatch: new Dispatch({
      portsOf: () => [port],
      strategyOf: () => DEFAULT_BALANCING,
      now: () => performance.now(),
    }),
    sessions: new Sessions(new MemoryBus(), 'secret', Date.now),
    access,
    bearer: () => 'svc',
    version: '1',
    timeoutMs: 5_000,
    now: () => time,
  })
  const app = guardedApp({
    access,
    identity: {},
    readiness: () => undefined,
    hint: '',
    health: () => ({}),
    now: Date.now,
  })
  endpoint.mount(app)
  return async (name, headers = {}, path = '/query') => {
    time += 600
    const meta = {
      'io.modelcontextprotocol/protocolVersion': '2026-07-28',
      'io.modelcontextprotocol/clientCapabilities': {},
    }
    const response = await app.request(path.replace('/query', '/mcp/vault'), {
      method: 'POST',
      headers: {
        host: 'localhost',
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2026-07-28',
        'mcp-method': 'tools/call',
        'mcp-name': name,
        ...headers,
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id: 1,
        method: 'tools/call',
        params: { name, arguments: {}, _meta: meta },
      }),
    })
    const { result, error } = (await response.json()) as {
      result?: { structuredContent: { by: string }; isError?: boolean; _meta?: Record<string, Refusal> }
      error?: Refusal
    }
    // Without an issuer, a refusal is a result that a model can read; a status says the same for the service.
    const refused = result?.isError ? result._meta?.['kintsugi/error'] : undefined
    return {
      status: refused ? (STATUS[refused.code] as number) : response.status,
      body: refused || error ? { error: refused ?? error } : { result: result?.structuredContent },
    } as Awaited<ReturnType<typeof ask>>
  }
}

interface Refusal {
  readonly code: string
  readonly message: string
}

/** The HTTP status of a refusal at the service. */
const STATUS: Readonly<Record<string, number>> = {
  'token-required': 401,
  'insufficient-scope': 403,
  'too-many-calls': 429,
}

describe.each(['service', 'gateway'] as const)('at the %s', (door) => {
  let service: Server
  afterEach(() => {
    service.closeAllConnections()
    service.close()
  })
  beforeEach(async () => {
    folder = join(root, String(count++))
    const files = {
      publicPath: join(folder, 'keys.json'),
      privatePath: join(folder, 'private', 'tokens.json'),
      now: () => time,
    }
    issuer = new TokenIssuer(files)
    const verifier = new TokenVerifier(files)
    const access: AccessPolicy = {
      tokenHash: hashToken('the-operator'),
      service: (token) => (token === 'svc' ? 'gateway' : undefined),
      verify: (token) => verifier.verify(token),
      required: false,
      beyondLoopback: false,
      hostnames: LOOPBACK_NAMES,
    }
    const { app } = host(
      server,
      {} as never,
      hostOptions({
        now: () => time,
        access,
      }),
    )
    ask = async (type, headers = {}, path = '/query') => {
      // A verifier reads its file again after half a second.
      time += 600
      const response = await app.request(path, {
        method: 'POST',
        body: JSON.stringify({ type }),
        headers: { host: 'localhost', ...headers },
      })
      return { status: response.status, body: (await response.json()) as never }
    }
    const port = await freePort()
    service = createAdaptorServer({ fetch: app.fetch }) as Server
    await new Promise<void>((resolve) => service.listen(port, '127.0.0.1', resolve))
    if (door === 'gateway') ask = await atGateway(access, port)
  })

  test('a token allows what its scopes name, and the tool learns its holder', async () => {
    const table: [string[], Record<string, number>][] = [
      [['read'], { look: 200, peek: 200, change: 403, pay: 403 }],
      [['write'], { peek: 200, change: 200, pay: 403 }],
      [['write:vault__change'], { peek: 403, change: 200, pay: 403 }],
      [['spend:vault'], { peek: 200, change: 200, pay: 200 }],
      [['spend:other', 'read:vault'], { peek: 200, change: 403, pay: 403 }],
    ]
    for (const [scopes, expected] of table) {
      const token = await tokenWith(...scopes)
      for (const [name, status] of Object.entries(expected))
        expect((await ask(name, bearer(token))).status, `${scopes.join(' ')} on ${name}`).toBe(status)
    }
    expect((await ask('change', bearer(await tokenWith('write')))).body.result).toEqual({ by: 'ada' })
    expect((await ask('pay', bearer('the-operator'))).body.result).toEqual({ by: 'operator' })
    expect((await ask('pay', bearer(await tokenWith('write')))).body.error).toMatchObject({
      code: 'insufficient-scope',
      message: expect.stringContaining('spend:vault__pay'),
    })
  })

  test('an invalid token is refused, even where none is needed', async () => {
    const token = await tokenWith('spend')
    const [header, payload, signature] = token.split('.') as [string, string, string]
    const claims = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, string>
    const key = JSON.parse(readFileSync(join(folder, 'private', 'tokens.json'), 'utf8')).keys[0]
    const foreign = await generateKeyPair('EdDSA', { crv: 'Ed25519' })
    const signed = (change: Record<string, unknown>, by: Parameters<SignJWT['sign']>[0], alg = 'EdDSA') =>
      new SignJWT({ ...claims, ...change }).setProtectedHeader({ alg, kid: key.kid }).sign(by)
    const ours = await importJWK(key, 'EdDSA')
    const publicKey = Buffer.from(key.x, 'base64url')
    const bad: Record<string, string> = {
      nonsense: 'nonsense',
      'alg none': new UnsecuredJWT(claims).setIssuer(ISSUER).encode(),
      'alg none, our signature': `${Buffer.from('{"alg":"none"}').toString('base64url')}.${payload}.${signature}`,
      'signed with the public key as a secret': await signed({}, publicKey, 'HS256'),
      'the key of another issuer': await signed({}, foreign.privateKey),
      'a changed payload': `${header}.${Buffer.from(JSON.stringify({ ...claims, sub: 'eve' })).toString('base64url')}.${signature}`,
      'wrong audience': await signed({ aud: 'kintsugi:another' }, ours),
      'wrong issuer': await signed({ iss: 'somebody' }, ours),
      expired: await signed({ exp: Math.floor(time / 1_000) - 1 }, ours),
      'without an end': await signed({ exp: undefined }, ours),
      'without an id': await signed({ jti: undefined }, ours),
      'cut off': token.slice(0, -2),
    }
    for (const [what, each] of Object.entries(bad))
      for (const name of ['look', 'pay'])
        expect((await ask(name, bearer(each))).body.error, `${what} on ${name}`).toMatchObject({
          code: 'bad-token',
        })
    expect((await ask('pay', {}, `/query?access_token=${token}`)).body.error).toMatchObject({
      code: 'token-required',
    })
    expect((await ask('pay', bearer(token))).status).toBe(200)
    expect(await exportJWK(foreign.publicKey)).toBeDefined()
  })

  test('a token ends by time, by revocation, or by a rotation that revokes', async () => {
    const short = (await issuer.issue({ subject: 'ada', scopes: ['spend'], seconds: 60 })).token
    expect((await ask('pay', bearer(short))).status).toBe(200)
    time += 61_000
    expect((await ask('pay', bearer(short))).status).toBe(401)
    const { token, grant } = await issuer.issue({ subject: 'ada', scopes: ['spend'], seconds: 3_600 })
    expect((await ask('pay', bearer(token))).status).toBe(200)
    await issuer.revoke(grant.id)
    expect((await ask('pay', bearer(token))).status).toBe(401)
    const before = await tokenWith('spend')
    await issuer.rotate(false)
    const after = await tokenWith('spend')
    for (const each of [before, after]) expect((await ask('pay', bearer(each))).status).toBe(200)
    expect(await issuer.rotate(true)).toMatchObject({ revoked: 3 - 1 })
    for (const each of [before, after]) expect((await ask('pay', bearer(each))).status).toBe(401)
    await expect(issuer.revoke('none')).rejects.toMatchObject({ code: 'not-found' })
  })

  test('caller headers of a user are ignored: only a service may act for another caller', async () => {
    const asOperator = { 'x-kintsugi-caller': 'operator', 'x-kintsugi-scopes': 'spend' }
    const reader = bearer(await tokenWith('read'))
    expect((await ask('peek', { ...reader, ...asOperator })).body.result).toEqual({ by: 'ada' })
    expect((await ask('pay', { ...reader, ...asOperator })).body.error).toMatchObject({
      code: 'insufficient-scope',
    })
    expect((await ask('pay', asOperator)).body.error).toMatchObject({ code: 'token-required' })
    const forReader = { 'x-kintsugi-caller': 'grace', 'x-kintsugi-scopes': 'read' }
    expect((await ask('peek', { ...bearer('svc'), ...forReader })).body.result).toEqual({ by: 'grace' })
    expect((await ask('pay', { ...bearer('svc'), ...forReader })).body.error).toMatchObject({
      code: 'insufficient-scope',
    })
  })

  test('a token with a limit is refused beyond its calls per minute; other tokens are not affected', async () => {
    const limited = async (subject: string) =>
      (await issuer.issue({ subject, scopes: ['read'], seconds: 3_600, callsPerMinute: 3 })).token
    const [token, other, unlimited] = [await limited('ada'), await limited('eve'), await tokenWith('read')]
    const statuses = async (by: string, calls: number) => {
      const seen: number[] = []
      for (let call = 0; call < calls; call++) seen.push((await ask('peek', bearer(by))).status)
      return seen
    }
    expect(await statuses(token, 4)).toEqual([200, 200, 200, 429])
    expect((await ask('look', bearer(token))).body.error).toMatchObject({
      code: 'too-many-calls',
      message: expect.stringContaining('the token of ada allows 3 calls per minute'),
      retry: 'later',
    })
    expect(await statuses(other, 3)).toEqual([200, 200, 200])
    expect(await statuses(unlimited, 10)).not.toContain(429)
    time += 60_000
    expect(await statuses(token, 1)).toEqual([200])
  })

  test('the public file contains no token and no private key', async () => {
    const token = await tokenWith('spend')
    const readable = readFileSync(join(folder, 'keys.json'), 'utf8')
    expect(readable).not.toContain(token)
    expect(JSON.parse(readable).keys[0].d).toBeUndefined()
    expect(readFileSync(join(folder, 'private', 'tokens.json'), 'utf8')).not.toContain(token)
  })
})
