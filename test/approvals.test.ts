/**
 * Approvals of calls: at the client, on the page, on the command line; valid for one call, exactly as it was
 * shown.
 */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import type { Approval, ApprovalPolicy } from '../src/access/approvals.ts'
import { Approvals, approvalPolicy, changeApprovalPolicy } from '../src/engine/governance/approvals.ts'
import { defineServer } from '../src/mcp/define.ts'
import { hashToken, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import type { AuditEntry } from '../src/ports/audit.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'
import { MemoryRecords } from './support/memory-records.ts'

let clock = 0
const now = () => Date.now() + clock
let price = 10
const paid: string[] = []
const vault = defineServer({
  id: 'vault',
  needs: [],
  tools: ({ spend }) => ({
    pay: spend({
      description: 'Pays a recipient.',
      approval: {
        skipWhen: ({ dryRun }) => dryRun,
        preview: async ({ to }) => ({ paid: `${price} to ${to}` }),
      },
      input: { to: z.string(), dryRun: z.boolean().default(false) },
      output: { paid: z.string() },
      examples: [{ to: 'nobody', dryRun: true }],
      run: ({ to, dryRun }) => {
        if (!dryRun) paid.push(to)
        return { paid: `${price} to ${to}` }
      },
    }),
  }),
})
const records = new MemoryRecords(now)
const approvals = new Approvals(records, now)
const settings = new Map<string, unknown>()
const ledger = {
  setting: async <T>(key: string) => settings.get(key) as T | undefined,
  saveSetting: async (key: string, value: unknown) => void settings.set(key, value),
}
const change = (policy: Partial<ApprovalPolicy>) => changeApprovalPolicy(ledger, 'local', policy)
const access = {
  tokenHash: hashToken('owner'),
  service: (token: string) => (token === 'svc' ? 'agent' : undefined),
  verify: async (token: string) =>
    token === 'ada' || token === 'bob'
      ? { id: token, subject: token, scopes: ['spend:vault'], expiresAt: Number.MAX_SAFE_INTEGER }
      : undefined,
  required: false,
  beyondLoopback: false,
  hostnames: LOOPBACK_NAMES,
}
const recorded: AuditEntry[] = []
const servers: Server[] = []
const ports: number[] = []

beforeAll(async () => {
  // Two replicas: a decision at one is valid at the other.
  for (let replica = 0; replica < 2; replica++) {
    const port = await freePort()
    const service = host(
      vault,
      {} as never,
      hostOptions({
        now,
        records: async () => records,
        audit: {
          record: (entry) => void recorded.push(entry),
          recordNow: async (entry) => void recorded.push(entry),
        },
        approvals: { policy: () => approvalPolicy(ledger, 'local'), approvals: async () => approvals },
        secret: 'shared',
        access,
      }),
    )
    const server = createAdaptorServer({ fetch: service.app.fetch }) as Server
    servers.push(server)
    ports.push(port)
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  }
})
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})
beforeEach(async () => {
  clock += 3_600_000
  paid.length = 0
  price = 10
  await change({ tools: ['*'], atClient: true, minutes: 10 })
})

const pay = async (to: string, token = 'ada', replica = 0, more: object = {}, key?: string) => {
  const response = await fetch(`http://127.0.0.1:${ports[replica]}/query`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${token}`,
      ...(key === undefined ? {} : { 'idempotency-key': key }),
    },
    body: JSON.stringify({ type: 'pay', to, ...more }),
  })
  const body = (await response.json()) as {
    result?: { paid: string }
    error?: { code: string; data?: { approval: string; preview: unknown } }
  }
  return body.error?.code ?? body.result?.paid
}
const waiting = async () => (await approvals.list()).find(({ state }) => state === 'pending') as Approval

test('a call without an approval does not run; once approved, the same call runs once, at any replica', async () => {
  expect(await pay('grace')).toBe('approval-needed')
  const { id, digest, preview } = await waiting()
  expect(preview).toEqual({ paid: '10 to grace' })
  await approvals.decide(id, digest, true, { name: 'bob' })
  recorded.length = 0
  expect(await pay('grace', 'ada', 1)).toBe('10 to grace')
  // Recorded before it ran, with its approver.
  expect(recorded.map(({ decision, who, approvedBy }) => [decision, who, approvedBy])).toEqual([
    ['begins', 'ada', 'bob'],
    ['allowed', 'ada', 'bob'],
  ])
  expect(await pay('grace', 'ada', 1)).toBe('approval-needed')
  expect(paid).toEqual(['grace'])
})

test('with an idempotency key the approved call runs once, and a repetition returns its outcome', async () => {
  expect(await pay('grace', 'ada', 0, {}, 'key-1')).toBe('approval-needed')
  const { id, digest } = await waiting()
  await approvals.decide(id, digest, true, { name: 'bob' })
  for (const replica of [0, 1, 0]) expect(await pay('grace', 'ada', replica, {}, 'key-1')).toBe('10 to grace')
  expect(paid).toEqual(['grace'])
})

test('an approval is bound to arguments, caller and policy, and expires', async () => {
  await pay('grace')
  const { id, digest } = await waiting()
  await approvals.decide(id, digest, true, { name: 'bob' })
  expect(await pay('mallory')).toBe('approval-needed')
  expect(await pay('grace', 'bob')).toBe('approval-needed')
  await change({ minutes: 20 })
  expect(await pay('grace')).toBe('approval-needed')
  await change({ minutes: 10 })
  await pay('alan')
  const second = await waiting()
  await approvals.decide(second.id, second.digest, true, { name: 'bob' })
  clock += 11 * 60_000
  expect(await pay('alan')).toBe('approval-needed')
  expect(paid).toEqual([])
})

test('a decision repeats the digest that was shown; nobody approves their own call; a call is decided once', async () => {
  await pay('grace')
  const { id, digest } = await waiting()
  await expect(approvals.decide(id, 'f'.repeat(64), true, { name: 'bob' })).rejects.toMatchObject({
    code: 'conflict',
  })
  await expect(approvals.decide(id, digest, true, { name: 'ada' })).rejects.toMatchObject({
    code: 'insufficient-scope',
  })
  await approvals.decide(id, digest, false, { name: 'bob' })
  await expect(approvals.decide(id, digest, true, { name: 'operator' })).rejects.toMatchObject({
    code: 'conflict',
  })
  expect(await pay('grace')).toBe('approval-refused')
  expect(paid).toEqual([])
})

test('a dry run, a call of a service for itself and a call that the policy leaves free need no approval', async () => {
  expect(await pay('grace', 'ada', 0, { dryRun: true })).toBe('10 to grace')
  expect(await pay('grace', 'svc')).toBe('10 to grace')
  expect(await pay('grace', 'owner')).toBe('approval-needed')
  await change({ tools: ['vault__other', 'elsewhere'] })
  expect(await pay('grace')).toBe('10 to grace')
})

async function person(answer: unknown): Promise<{ client: Client; asked: string[] }> {
  const asked: string[] = []
  const client = new Client(
    { name: 'test', version: '1' },
    { capabilities: { elicitation: {} }, versionNegotiation: { mode: { pin: '2026-07-28' } } },
  )
  client.setRequestHandler('elicitation/create', ({ params }) => {
    asked.push(params.message)
    return answer as never
  })
  await client.connect(
    new StreamableHTTPClientTransport(new URL(`http://127.0.0.1:${ports[0]}/mcp`), {
      requestInit: { headers: { authorization: 'Bearer ada' } },
    }),
  )
  return { client, asked }
}

test('a user at the client sees the simulated outcome and approves there, unless the policy forbids it', async () => {
  const { client, asked } = await person({ action: 'accept', content: { approve: true } })
  const result = await client.callTool({ name: 'pay', arguments: { to: 'grace' } })
  expect(result.structuredContent).toEqual({ paid: '10 to grace' })
  expect(asked).toHaveLength(1)
  expect(asked[0]).toContain('10 to grace')
  await change({ atClient: false })
  expect(
    JSON.stringify((await client.callTool({ name: 'pay', arguments: { to: 'grace' } })).content),
  ).toContain('approval-needed')
  expect(asked).toHaveLength(1)
  expect(paid).toEqual(['grace'])
  await client.close()
})

test.each([
  { action: 'accept', content: { approve: false } },
  { action: 'decline' },
  { action: 'cancel' },
  { action: 'accept', content: { approve: 'yes' } },
])('an answer that is no approval is a refusal: %j', async (answer) => {
  const { client } = await person(answer)
  expect(
    JSON.stringify((await client.callTool({ name: 'pay', arguments: { to: 'grace' } })).content),
  ).toContain('approval-refused')
  expect(paid).toEqual([])
  await client.close()
})
