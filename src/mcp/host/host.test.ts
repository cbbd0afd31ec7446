import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createAdaptorServer } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { describe, expect, test } from 'vitest'
import * as z from 'zod'
import { hostOptions } from '../../../test/support/host-options.ts'
import { defineServer } from '../define.ts'
import { hashToken, LOOPBACK_NAMES } from './access.ts'
import { type HostOptions, host } from './host.ts'

const held: (() => void)[] = []
const server = defineServer({
  id: 'test_server',
  needs: [],
  tools: ({ read, write }) => ({
    echo: read({
      description: 'says it again',
      input: { text: z.string().max(5), times: z.int().min(1).default(1) },
      output: { text: z.string(), caller: z.string() },
      examples: [{ text: 'hi' }],
      run: ({ text, times }, { caller }) => ({ text: text.repeat(times), caller }),
    }),
    hold: read({
      description: 'waits',
      input: {},
      output: {},
      examples: [{}],
      run: () => new Promise<Record<string, never>>((resolve) => held.push(() => resolve({}))),
    }),
    secret: read({
      description: 'guarded',
      guarded: true,
      input: {},
      output: {},
      examples: [{}],
      run: () => ({}),
    }),
    change: write({
      description: 'writes',
      input: {},
      output: {},
      examples: [{}],
      run: () => ({}),
    }),
    big: read({
      description: 'amounts',
      input: {},
      output: { amount: z.string() },
      examples: [{}],
      run: () => ({ amount: 12n }) as never,
    }),
  }),
})
const options = hostOptions({
  maxConcurrent: 2,
  timeoutMs: 60_000,
  access: {
    tokenHash: hashToken('right'),
    required: false,
    beyondLoopback: false,
    hostnames: LOOPBACK_NAMES,
  },
})
const make = (change: Partial<HostOptions> = {}) => host(server, {} as never, { ...options, ...change })
const ask = (service: ReturnType<typeof make>, body: unknown, headers: Record<string, string> = {}) =>
  Promise.resolve(
    service.app.request('/query', {
      method: 'POST',
      body: JSON.stringify(body),
      headers: { host: 'localhost', ...headers },
    }),
  ).then(async (response) => ({
    status: response.status,
    body: await response.json(),
  }))

test('a subscriber of a resource is notified of each of its changes, and of no other', async () => {
  const changes: Record<string, () => void> = {}
  const resource = (name: string) => ({
    title: name,
    description: '',
    read: () => ({ name }),
    watch: (_ports: object, onChange: () => void) => {
      changes[name] = onChange
      return () => {
        delete changes[name]
      }
    },
  })
  const watched = defineServer({
    id: 'test_server',
    needs: [],
    tools: () => ({}),
    resources: { 'test://a': resource('a'), 'test://b': resource('b') },
  })
  const service = host(watched, {} as never, options)
  const http = createAdaptorServer({ fetch: service.app.fetch }) as Server
  await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
  const url = new URL(`http://127.0.0.1:${(http.address() as AddressInfo).port}/mcp`)
  const client = new Client(
    { name: 'test', version: '1' },
    { versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  await client.connect(new StreamableHTTPClientTransport(url))
  const notified: string[] = []
  client.setNotificationHandler('notifications/resources/updated', ({ params }) => {
    notified.push(params.uri)
  })
  const subscription = await client.listen({ resourceSubscriptions: ['test://a'] })
  changes.b?.()
  changes.a?.()
  changes.a?.()
  for (let i = 0; notified.length < 2 && i < 200; i++) await new Promise((resolve) => setTimeout(resolve, 10))
  expect(notified).toEqual(['test://a', 'test://a'])
  await subscription.close()
  await client.close()
  service.stop()
  expect(changes).toEqual({})
  http.closeAllConnections()
  http.close()
})

describe('calls', () => {
  test('arguments are parsed, defaults applied, amounts serialized as strings', async () => {
    const service = make()
    expect(await ask(service, { type: 'echo', text: 'ab' })).toEqual({
      status: 200,
      body: { result: { text: 'ab', caller: 'anonymous' } },
    })
    expect(await ask(service, { type: 'big' })).toEqual({ status: 200, body: { result: { amount: '12' } } })
  })

  test('every wrong field is named with the expected and the received value', async () => {
    const { status, body } = await ask(make(), { type: 'echo', text: 'too long', times: 0, other: 1 })
    expect(status).toBe(400)
    expect(body.error.data.fields.map((field: { field: string }) => field.field).sort()).toEqual([
      'other',
      'text',
      'times',
    ])
    expect(body.error.hint).toContain('{"text":"hi"}')
  })

  test('REQUEST_TIMEOUT: a longer call fails with deadline-exceeded', async () => {
    expect(await ask(make({ timeoutMs: 30 }), { type: 'hold' })).toMatchObject({
      status: 504,
      body: { error: { code: 'deadline-exceeded', retry: 'later' } },
    })
  })

  test('MAX_CONCURRENT_OPERATIONS: one more call is refused, and accepted after another ended', async () => {
    const service = make()
    const first = ask(service, { type: 'hold' })
    const second = ask(service, { type: 'hold' })
    await expect.poll(() => service.inFlight()).toBe(2)
    expect(await ask(service, { type: 'echo', text: 'a' })).toMatchObject({
      status: 429,
      body: { error: { code: 'too-many-calls', retry: 'later' } },
    })
    for (const release of held.splice(0)) release()
    await Promise.all([first, second])
    expect((await ask(service, { type: 'echo', text: 'a' })).status).toBe(200)
  })
})

test('the limit of concurrent calls grows under load while the event loop keeps up, and shrinks while it is overloaded', async () => {
  let late = 0
  let time = 0
  const service = make({ maxConcurrent: 2, loopDelayMs: () => late, now: () => time })
  const fill = async (count: number) => {
    const calls = Array.from({ length: count }, () => ask(service, { type: 'hold' }))
    await new Promise((resolve) => setTimeout(resolve, 20))
    const running = service.inFlight()
    for (const release of held.splice(0)) release()
    await Promise.all(calls)
    return running
  }
  for (let round = 0; round < 30; round++) await fill(10)
  expect(await fill(10)).toBe(8)
  late = 500
  for (let second = 1; second <= 10; second++) {
    time = second * 1_000
    await ask(service, { type: 'echo', text: 'a' })
  }
  expect(await fill(10)).toBe(2)
})

describe('access', () => {
  test.each([
    ['a read', 'echo', {}, 200],
    ['a guarded read', 'secret', {}, 401],
    ['a write', 'change', {}, 401],
    ['a write with the token', 'change', { authorization: 'Bearer right' }, 200],
    ['a read with a wrong token', 'echo', { authorization: 'Bearer wrong' }, 401],
    ['the token in the wrong form', 'change', { authorization: 'right' }, 401],
  ])('%s', async (_, type, headers, status) => {
    expect((await ask(make(), { type, ...(type === 'echo' ? { text: 'a' } : {}) }, headers)).status).toBe(
      status,
    )
  })

  test.each([
    ['AUTH=required', { required: true }],
    ['listening beyond loopback', { beyondLoopback: true }],
  ])('%s: everything except health and readiness needs a token', async (_, change) => {
    const service = make({ access: { ...options.access, ...change } })
    for (const path of ['/health', '/ready'])
      expect((await service.app.request(path, { headers: { host: 'localhost' } })).status).toBe(200)
    for (const path of ['/metrics', '/capabilities', '/tools']) {
      expect((await service.app.request(path, { headers: { host: 'localhost' } })).status).toBe(401)
      expect(
        (await service.app.request(path, { headers: { host: 'localhost', authorization: 'Bearer right' } }))
          .status,
      ).toBe(200)
    }
    expect((await ask(service, { type: 'echo', text: 'a' })).status).toBe(401)
  })
})

test('a service that is not ready answers 503 with the reason; the metrics count outcomes', async () => {
  const service = make({ readiness: () => 'the chain is not connected' })
  const ready = await service.app.request('/ready', { headers: { host: 'localhost' } })
  expect([ready.status, await ready.json()]).toEqual([
    503,
    expect.objectContaining({ ready: false, reason: 'the chain is not connected' }),
  ])
  await ask(service, { type: 'echo', text: 'toolong' })
  const metrics = await (await service.app.request('/metrics', { headers: { host: 'localhost' } })).text()
  expect(metrics).toMatch(
    /kintsugi_tool_calls_total\{tool="echo",outcome="bad-argument",service="test_server"\} 1/,
  )
})
