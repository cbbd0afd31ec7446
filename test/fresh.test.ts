/** `kintsugi up --fresh` on a data folder with books and keys, seen from outside: nothing is lost. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { generatePrivateKey, privateKeyToAccount } from 'viem/accounts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { foundryBinary } from '../src/adapters/binaries.ts'
import { PostgresAuditLog } from '../src/adapters/ledger/audit-log.ts'
import { moveCluster } from '../src/adapters/ledger/embedded.ts'
import { connectionPool } from '../src/adapters/ledger/pool.ts'
import { postgresLedger } from '../src/adapters/ledger/postgres.ts'
import { readStoppedBooks } from '../src/adapters/ledger/stopped-books.ts'
import { rpc, toHex } from '../src/localnet/rpc.ts'
import type { AuditEntry } from '../src/ports/audit.ts'
import type { Trade } from '../src/ports/ledger.ts'
import { startDatabase } from './support/database.ts'
import { kintsugi } from './support/fleet.ts'
import { freePort } from './support/local-chain.ts'

const TRADES = 7
const AUDITED = 3
const parent = mkdtempSync(join(tmpdir(), 'kintsugi-fresh-'))
const data = join(parent, 'home')
const operator = generatePrivateKey()

const trade = (index: number): Trade => ({
  genesis: `0x${'f'.repeat(64)}`,
  hash: `0x${index.toString(16).padStart(64, '0')}`,
  nonce: index,
  decisionId: null,
  block: index,
  transactionIndex: 0,
  outcome: 'as-predicted',
  token: `0x${'a'.repeat(40)}`,
  symbol: 'USDC',
  decimals: 6,
  route: '',
  legs: [],
  lender: 'aave-v3',
  amountIn: 1n,
  predictedProfit: 1n,
  realisedProfit: 1n,
  profitValue: 1,
  profitNative: 1,
  gasUsed: 1n,
  gasPrice: 1n,
  gasCost: 1n,
  predictedAtBlock: index,
  bookedAt: 1,
})
const entry = (index: number): AuditEntry => ({
  at: index,
  who: 'ada',
  service: 'vault',
  tool: 'open',
  effect: 'read',
  argumentsHash: 'a'.repeat(64),
  definitionHash: 'd'.repeat(64),
  trace: null,
  decision: 'allowed',
  outcome: 'ok',
  durationMs: 1,
})

beforeAll(async () => {
  mkdirSync(join(data, 'keys'), { recursive: true, mode: 0o711 })
  writeFileSync(join(data, 'token'), 'secret')
  writeFileSync(join(data, 'keys', 'operator.key'), operator, { mode: 0o600 })
  const database = await startDatabase(data)
  const pool = connectionPool(database.connectionString, 2)
  const ledger = postgresLedger({ pool, batchSize: 10 })
  await ledger.migrate()
  for (let index = 0; index < TRADES; index++) await ledger.book(trade(index))
  await new PostgresAuditLog(pool, join(data, 'audit-heads')).append(
    Array.from({ length: AUDITED }, (_, index) => entry(index)),
  )
  await pool.end()
  await database.stop()
})
afterAll(() => rmSync(parent, { recursive: true, force: true }))

const up = (args: string[] = [], env: NodeJS.ProcessEnv = {}) =>
  // The fleet trades on the embedded chain; the node of another one is still asked for balances.
  kintsugi(['up', '--chain', 'local', '--data', data, '--detach', '--fresh', ...args], env)

test('without a terminal it is refused, says what would be moved, and changes nothing', async () => {
  const { code, stderr } = await up()
  expect([code, stderr]).toEqual([
    1,
    expect.stringMatching(/7 trades, 3 audit entries, 1 key, [\d.]+ MB\n.*--yes/s),
  ])
  const asJson = await up(['--json'])
  expect(JSON.parse(asJson.stderr).error.code).toBe('not-confirmed')
  expect(readdirSync(parent)).toEqual(['home'])
})

test('keys with a balance on a real chain are moved only if that is said', async () => {
  const port = await freePort()
  const anvil = spawn(foundryBinary('anvil'), ['--port', String(port), '--chain-id', '137'], {
    stdio: 'ignore',
  })
  const url = `http://127.0.0.1:${port}`
  try {
    await expect.poll(() => rpc(url, 'eth_chainId').catch(() => undefined), { timeout: 10_000 }).toBe('0x89')
    const env = { POLYGON_RPC_URL: url }
    // Without a balance only the confirmation is missing.
    expect((await up([], env)).stderr).toContain('--yes')
    const { address } = privateKeyToAccount(operator)
    await rpc(url, 'anvil_setBalance', address, toHex(25n * 10n ** 17n))
    const refused = await up(['--yes'], env)
    expect(refused.code).toBe(1)
    expect(refused.stderr).toContain(`on polygon, ${address.toLowerCase()} owns 2.5 of the native coin`)
    expect(refused.stderr).toContain('--with-funds')
    expect((await up(['--with-funds'], env)).stderr).toContain('--yes')
  } finally {
    anvil.kill('SIGKILL')
    await once(anvil, 'exit')
  }
  const unread = await up(['--yes'], { POLYGON_RPC_URL: url })
  expect([unread.code, unread.stderr]).toEqual([
    1,
    expect.stringContaining('the balances of its keys on polygon cannot be read'),
  ])
  expect(readdirSync(parent)).toEqual(['home'])
})

test('a moved folder keeps its books, and none of them are found at the old path', async () => {
  const moved = join(dirname(data), `${basename(data)}.old`)
  renameSync(data, moved)
  moveCluster(data, moved)
  mkdirSync(data, { mode: 0o700 })
  expect(await readStoppedBooks(moved)).toEqual({ trades: TRADES, auditEntries: AUDITED })
  expect(await readStoppedBooks(data)).toEqual({ trades: 0, auditEntries: 0 })
})
