/**
 * An external OAuth issuer: its tokens grant their scopes, other tokens are refused, and metadata leads
 * clients to it.
 */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { exportJWK, generateKeyPair, SignJWT, UnsecuredJWT } from 'jose'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { IssuerVerifier } from '../src/adapters/access/issuer-tokens.ts'
import { defineServer } from '../src/mcp/define.ts'
import { LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'

const RESOURCE = 'http://127.0.0.1:8000/mcp'
const nothing = {
  input: {},
  output: { by: z.string() },
  examples: [{}],
  run: (_input: unknown, { caller }: { caller: string }) => ({ by: caller }),
}
const vault = defineServer({
  id: 'vault',
  needs: [],
  tools: ({ read, spend }) => ({
    look: read({ description: 'looks', guarded: true, ...nothing }),
    pay: spend({ description: 'pays', ...nothing }),
  }),
})

let issuer = ''
let server: Server
let asked = 0
let keys: Awaited<ReturnType<typeof generateKeyPair>>
let foreign: Awaited<ReturnType<typeof generateKeyPair>>
let named: string | undefined
beforeAll(async () => {
  keys = await generateKeyPair('RS256')
  foreign = await generateKeyPair('RS256')
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' }
  const port = await freePort()
  issuer = `http://127.0.0.1:${port}/tenant`
  server = createAdaptorServer({
    fetch: (request: Request) => {
      const { pathname } = new URL(request.url)
      asked++
      if (pathname === '/.well-known/oauth-authorization-server/tenant')
        return Response.json({ issuer: named ?? issuer, jwks_uri: `${issuer}/keys` })
      return pathname === '/tenant/keys'
        ? Response.json({ keys: [jwk] })
        : new Response('nothing here', { status: 404 })
    },
  }) as Server
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
})
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

const signed = (
  change: {
    sub?: string
    iss?: string
    aud?: string
    exp?: string
    scope?: string
    kid?: string
    key?: CryptoKey
  } = {},
) =>
  new SignJWT({ scope: change.scope ?? 'read write openid' })
    .setProtectedHeader({ alg: 'RS256', kid: change.kid ?? 'one' })
    .setIssuer(change.iss ?? issuer)
    .setAudience(change.aud ?? RESOURCE)
    .setSubject(change.sub ?? 'grace')
    .setExpirationTime(change.exp ?? '5 minutes')
    .sign(change.key ?? keys.privateKey)

const make = (notes: string[] = []) => {
  const verifier = new IssuerVerifier({
    issuer,
    audience: RESOURCE,
    jwksUrl: undefined,
    now: Date.now,
    onNote: (note) => notes.push(note),
  })
  const { app } = host(
    vault,
    {} as never,
    hostOptions({
      access: {
        tokenHash: undefined,
        verify: (token) => verifier.verify(token),
        oauth: { issuer, resource: RESOURCE },
        required: false,
        beyondLoopback: false,
        hostnames: LOOPBACK_NAMES,
      },
    }),
  )
  const ask = async (type: string, token?: string) => {
    const response = await app.request('/query', {
      method: 'POST',
      body: JSON.stringify({ type }),
      headers: { host: 'localhost', ...(token ? { authorization: `Bearer ${token}` } : {}) },
    })
    return {
      status: response.status,
      challenge: response.headers.get('www-authenticate'),
      body: (await response.json()) as { result?: { by: string } },
    }
  }
  return { app, ask }
}

test('the metadata of the resource names the issuer and needs no token', async () => {
  const { app } = make()
  for (const path of ['', '/mcp']) {
    const response = await app.request(`/.well-known/oauth-protected-resource${path}`, {
      headers: { host: 'localhost' },
    })
    expect(await response.json()).toMatchObject({
      resource: RESOURCE,
      authorization_servers: [issuer],
      scopes_supported: ['read', 'write', 'spend'],
    })
  }
})

test('a token of the issuer allows what its scopes name; a missing or insufficient one is answered with a challenge', async () => {
  const { ask } = make()
  expect(await ask('look', await signed())).toMatchObject({ status: 200, body: { result: { by: 'grace' } } })
  // A subject named `operator` at the issuer is not the operator here.
  expect(await ask('look', await signed({ sub: 'operator' }))).toMatchObject({
    body: { result: { by: 'operator, of the issuer' } },
  })
  const without = await ask('look')
  expect(without.status).toBe(401)
  expect(without.challenge).toContain(
    'resource_metadata="http://127.0.0.1:8000/.well-known/oauth-protected-resource/mcp"',
  )
  const narrow = await ask('pay', await signed())
  expect(narrow.status).toBe(403)
  expect(narrow.challenge).toContain('error="insufficient_scope", scope="spend:vault__pay"')
})

test('a token is refused if it has another resource, issuer or key, is expired or has no signature', async () => {
  const { ask } = make()
  const wrong = [
    await signed({ aud: 'http://127.0.0.1:8000/other' }),
    await signed({ iss: `${issuer}/other` }),
    await signed({ exp: '-1 second' }),
    await signed({ key: foreign.privateKey }),
    await signed({ kid: 'two' }),
    new UnsecuredJWT({ scope: 'spend' })
      .setIssuer(issuer)
      .setAudience(RESOURCE)
      .setSubject('grace')
      .setExpirationTime('5 minutes')
      .encode(),
    'a.b.c',
  ]
  for (const token of wrong) expect((await ask('look', token)).status).toBe(401)
})

test('a foreign token causes no request; metadata of another issuer is not accepted', async () => {
  const notes: string[] = []
  const { ask } = make(notes)
  const before = asked
  await ask('look', await signed({ iss: 'https://elsewhere.example' }))
  expect(asked).toBe(before)
  named = 'https://elsewhere.example'
  expect((await ask('look', await signed())).status).toBe(401)
  named = undefined
  expect(notes).toEqual([expect.stringContaining('no metadata of this issuer')])
})
