/** The audit log of every call, on a real PostgreSQL: its content, and the detection of every change. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import { PostgresAuditLog } from '../src/adapters/ledger/audit-log.ts'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { postgresLedger } from '../src/adapters/ledger/postgres.ts'
import { AuditSink } from '../src/engine/governance/audit-sink.ts'
import { verifyAudit, witness } from '../src/engine/governance/audit-verification.ts'
import { defineServer } from '../src/mcp/define.ts'
import { hashToken, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import type { AuditEntry } from '../src/ports/audit.ts'
import { type EmbeddedDatabase, startDatabase } from './support/database.ts'
import { hostOptions } from './support/host-options.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-audit-'))
let database: EmbeddedDatabase
let raw: pg.Client
let log: PostgresAuditLog
let count = 0

beforeAll(async () => {
  database = await startDatabase()
  const ledger = postgresLedger({ pool: connectionPool(database.connectionString, 1), batchSize: 10 })
  await ledger.migrate()
  await ledger.close()
  raw = new pg.Client({ connectionString: database.connectionString })
  await raw.connect()
})
afterAll(async () => {
  await log?.close()
  await raw?.end()
  await database?.stop()
  rmSync(folder, { recursive: true, force: true })
})
beforeEach(async () => {
  await log?.close()
  await raw.query(
    "delete from audit_log; delete from audit_witnesses; update audit_head set size = 0, peaks = '{}'",
  )
  log = new PostgresAuditLog(connectionPool(database.connectionString, 1), join(folder, `heads-${count++}`))
})

const entry = (tool: string, change: Partial<AuditEntry> = {}): AuditEntry => ({
  at: 1_700_000_000_000,
  who: 'ada',
  service: 'vault',
  tool,
  effect: 'read',
  argumentsHash: 'a'.repeat(64),
  definitionHash: 'd'.repeat(64),
  trace: null,
  decision: 'allowed',
  outcome: 'ok',
  durationMs: 1.5,
  ...change,
})
const account = privateKeyToAccount(generatePrivateKey())
const signer = {
  identify: async (digest: `0x${string}`) => ({
    account: account.address,
    signature: await account.signMessage({ message: digest }),
  }),
}
const fill = async (entries: number) => {
  for (let at = 0; at < entries; at += 7)
    await log.append(
      Array.from({ length: Math.min(7, entries - at) }, (_, index) => entry(`tool-${at + index}`)),
    )
}

test('many writers produce one order without gaps, and its head is signed', async () => {
  const others = Array.from(
    { length: 5 },
    () => new PostgresAuditLog(connectionPool(database.connectionString, 1), join(folder, 'none')),
  )
  await Promise.all(
    others.flatMap((each, writer) =>
      Array.from({ length: 20 }, (_, index) =>
        each.append([entry(`${writer}-${index}`), entry(`${writer}-${index}-b`)]),
      ),
    ),
  )
  await Promise.all(others.map((each) => each.close()))
  const all = await log.entries({ from: 0, limit: 1_000 })
  expect(all.map(({ sequence }) => sequence)).toEqual(Array.from({ length: 200 }, (_, index) => index))
  expect(await witness(log, signer, 0, 1)).toMatchObject({ size: 200, account: account.address })
  expect(await witness(log, signer, 200, 2)).toBeUndefined()
  expect(await verifyAudit(log)).toMatchObject({ entries: 200, witnesses: 2, witnessed: 200, problems: [] })
})

test.each([
  [
    'one character of an entry',
    () => raw.query(`update audit_log set entry = replace(entry, 'ada', 'eve') where sequence = 11`),
  ],
  ['an entry deleted', () => raw.query('delete from audit_log where sequence = 11')],
  [
    'two entries swapped',
    () =>
      raw.query(
        `update audit_log a set entry = b.entry from audit_log b where (a.sequence, b.sequence) in ((11, 12), (12, 11))`,
      ),
  ],
  ['the end missing', () => raw.query('delete from audit_log where sequence >= 25')],
  [
    'the end missing, and the head with it',
    async () => {
      const short = (await log.entries({ from: 0, limit: 25 })).map(
        ({ text }) => JSON.parse(text) as AuditEntry,
      )
      await raw.query("delete from audit_log; update audit_head set size = 0, peaks = '{}'")
      await log.append(short)
    },
  ],
  [
    'everything rewritten, heads and signed heads of the ledger too',
    async () => {
      const changed = (await log.entries({ from: 0, limit: 100 })).map(
        ({ text }) => JSON.parse(text.replace('tool-11', 'tool-99')) as AuditEntry,
      )
      await raw.query(
        "delete from audit_log; delete from audit_witnesses; update audit_head set size = 0, peaks = '{}'",
      )
      await log.append(changed)
      const mine = privateKeyToAccount(generatePrivateKey())
      const head = await log.head()
      await raw.query(
        'insert into audit_witnesses (size, root, account, signature, at) values ($1, $2, $3, $4, now())',
        [head.size, head.root, mine.address, await mine.signMessage({ message: head.root })],
      )
    },
  ],
])('a later change is detected: %s', async (_what, change) => {
  await fill(30)
  await witness(log, signer, 0, 1)
  expect((await verifyAudit(log)).problems).toEqual([])
  await change()
  expect((await verifyAudit(log)).problems.length).toBeGreaterThan(0)
})

test('a service records the caller, the tool and the outcome of each call, but no arguments', async () => {
  const secret = randomBytes(16).toString('hex')
  const echo = {
    input: { text: z.string().default('') },
    output: { echoed: z.string() },
    examples: [{}],
    run: ({ text }: { text: string }) => ({ echoed: text }),
  }
  let unavailable = false
  let paid = 0
  const server = defineServer({
    id: 'vault',
    needs: [],
    tools: ({ read, write, spend }) => ({
      look: read({ description: 'read', ...echo }),
      change: write({ description: 'write', ...echo }),
      pay: spend({
        description: 'pays',
        input: {},
        output: {},
        examples: [{}],
        run: () => {
          paid++
          return {}
        },
      }),
    }),
  })
  const audit = new AuditSink({
    open: async () => {
      if (unavailable) throw new Error('the ledger is unavailable')
      return log
    },
    onNote: () => undefined,
  })
  const service = host(
    server,
    {} as never,
    hostOptions({
      access: {
        tokenHash: hashToken('right'),
        service: (token) => (token === 'svc' ? 'gateway' : undefined),
        required: false,
        beyondLoopback: false,
        hostnames: LOOPBACK_NAMES,
      },
      audit,
    }),
  )
  const ask = async (body: object, headers: Record<string, string> = {}) =>
    (
      await service.app.request('/query', {
        method: 'POST',
        body: JSON.stringify(body),
        headers: { host: 'localhost', ...headers },
      })
    ).status
  const bearer = { authorization: 'Bearer right' }
  expect(await ask({ type: 'look', text: secret })).toBe(200)
  expect(await ask({ type: 'change', text: secret })).toBe(401)
  expect(
    await ask(
      { type: 'change', text: secret },
      { authorization: 'Bearer svc', 'x-kintsugi-caller': 'grace', 'x-kintsugi-scopes': 'write' },
    ),
  ).toBe(200)
  expect(
    await ask({ type: 'look', text: 7 }, { traceparent: `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01` }),
  ).toBe(400)
  expect(await ask({ type: 'pay' }, bearer)).toBe(200)
  await audit.flush()
  const entries = (await log.entries({ from: 0, limit: 100 })).map(({ text }) => text)
  expect(entries.join()).not.toContain(secret)
  expect(
    entries
      .map((text) => JSON.parse(text) as AuditEntry)
      .map(({ who, tool: name, decision, outcome }) => `${who} ${name} ${decision} ${outcome}`),
  ).toEqual([
    'anonymous look allowed ok',
    'anonymous change refused token-required',
    'grace change allowed ok',
    'anonymous look allowed bad-argument',
    'operator pay begins null',
    'operator pay allowed ok',
  ])
  expect(entries.map((text) => (JSON.parse(text) as AuditEntry).trace)).toEqual([
    null,
    null,
    null,
    'ab'.repeat(16),
    null,
    null,
  ])
  // A spend that cannot be recorded first is refused; a read runs, and is recorded when the log is back.
  unavailable = true
  expect(await ask({ type: 'pay' }, bearer)).toBe(500)
  expect(paid).toBe(1)
  expect(await ask({ type: 'look' })).toBe(200)
  unavailable = false
  await audit.stop()
  const later = (await log.entries({ from: 6, limit: 100 })).map(({ text }) => JSON.parse(text) as AuditEntry)
  expect(later.map(({ tool: name, decision }) => `${name} ${decision}`)).toEqual([
    'pay allowed',
    'look allowed',
  ])
  expect((await verifyAudit(log)).problems).toEqual([])
})
