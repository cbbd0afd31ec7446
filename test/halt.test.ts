/**
 * Halting and resuming trading on a running fleet, by each way there is. What was sent is read from the chain:
 * the number of transactions of the operator, also of pending ones.
 */
import { rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { JsonRpcChain } from '../src/adapters/chain/json-rpc.ts'
import type { Address } from '../src/amm/index.ts'
import type { StatusView } from '../src/gateway/api/schema.ts'
import { Fleet, kintsugi } from './support/fleet.ts'

const fleet = new Fleet(6_000, ['--block-seconds', '1'])
let chain: JsonRpcChain
beforeAll(async () => {
  await fleet.start()
  chain = new JsonRpcChain({ url: fleet.url(8545, '') })
  await trading()
}, 90_000)
afterAll(async () => {
  chain?.close()
  await fleet.dispose()
})

const operator = async () => (await fleet.status()).accounts?.operator as Address
const sent = async () => chain.transactionCount(await operator(), 'pending')
const head = async () => (await chain.block('latest')).number

/** Waits until further transactions are sent. */
async function trading(): Promise<void> {
  const before = await sent()
  await fleet.until('a transaction', async () => (await sent()) > before, 60_000)
}

/** Expects that nothing is sent from the block after the present one on, for some blocks. */
async function expectSilence(blocks: number): Promise<void> {
  const halted = await head()
  await fleet.until('the next block', async () => (await head()) > halted)
  const before = await sent()
  const from = await head()
  await fleet.until('further blocks', async () => (await head()) >= from + blocks)
  expect(await sent()).toBe(before)
}

const status = (): Promise<StatusView> => fleet.status()
const bearer = () => ({ authorization: `Bearer ${fleet.token}`, 'content-type': 'application/json' })
const post = (path: string, body: unknown, headers: Record<string, string> = bearer()) =>
  fetch(fleet.url(8000, path), { method: 'POST', headers, body: JSON.stringify(body) })
const resume = (...args: string[]) => kintsugi(['resume', ...args, '--data', fleet.data])
const halt = (...args: string[]) => kintsugi(['halt', ...args, '--data', fleet.data])

/** The pid of a service. */
const pidOf = async (id: string): Promise<number> => {
  const { servers, agents, main, infrastructure } = await status()
  return { ...servers, ...agents, ...main, ...infrastructure }[id]?.pid as number
}
const healthy = async () => (await status()).healthy

test('kintsugi halt: nothing is sent after the next block, whatever is killed, and everybody is told', {
  timeout: 120_000,
}, async () => {
  const { code, stdout } = await halt('the prices look wrong')
  expect([code, stdout]).toEqual([0, expect.stringMatching(/trading is halted by .+: the prices look wrong/)])
  await expectSilence(6)
  expect((await status()).halt).toMatchObject({ reason: 'the prices look wrong' })
  for (const command of ['status', 'health']) {
    const shown = await kintsugi([command, '--data', fleet.data])
    expect([shown.code, shown.stdout]).toEqual([0, expect.stringContaining('the prices look wrong')])
  }
  const refused = await fleet.get<{ opportunities: { refusedBy: string | null }[] }>(
    8000,
    '/opportunities?limit=5',
  )
  expect(refused.opportunities.map(({ refusedBy }) => refusedBy)).toContain('trading not halted')
  for (const service of ['transaction_executor', 'hub', 'database', 'coordination_system']) {
    process.kill(await pidOf(service), 'SIGKILL')
    await fleet.until('a change', async () => !(await healthy()), 5_000).catch(() => undefined)
    await fleet.until('everything healthy', healthy)
  }
  await expectSilence(3)
  const { stdout: incidents } = await kintsugi(['incidents', '--data', fleet.data])
  expect(incidents).toContain('trading-halted')
})

test('it stays halted when the whole fleet is started again; only a confirmed resume ends it', {
  timeout: 120_000,
}, async () => {
  chain.close()
  await fleet.stop()
  await fleet.start()
  chain = new JsonRpcChain({ url: fleet.url(8545, '') })
  expect((await status()).halt).toMatchObject({ reason: 'the prices look wrong' })
  await expectSilence(4)
  const unconfirmed = await resume()
  expect([unconfirmed.code, unconfirmed.stderr]).toEqual([
    1,
    expect.stringMatching(/the prices look wrong.*--yes/s),
  ])
  expect((await status()).halt).not.toBeNull()
  expect((await resume('--yes')).code).toBe(0)
  expect((await status()).halt).toBeNull()
  await trading()
})

/** Each way to halt, and how the halt names who did it. */
const WAYS: [name: string, by: string, halt: () => Promise<unknown>][] = [
  [
    'a request of the API',
    'operator',
    async () => expect((await post('/halt', { reason: 'x' })).status).toBe(200),
  ],
  [
    'a tool',
    'operator',
    async () =>
      expect((await fleet.query(8094, { type: 'halt_trading', reason: 'x' }, bearer())).status).toBe(200),
  ],
  ['a file', 'the file HALT', async () => writeFileSync(join(fleet.data, 'HALT'), 'x')],
  [
    'a signal to the executor',
    'the signal SIGUSR2',
    async () => process.kill(await pidOf('transaction_executor'), 'SIGUSR2'),
  ],
]
test.each(WAYS)('%s halts too, and is named', { timeout: 60_000 }, async (_name, by, halting) => {
  await halting()
  await fleet.until('the halt', async () => (await status()).halt !== null, 5_000)
  expect((await status()).halt?.by).toBe(by)
  await expectSilence(2)
  const { at } = (await status()).halt as NonNullable<StatusView['halt']>
  expect((await post('/resume', { haltedAt: at + 1 })).status).toBe(409)
  expect((await post('/resume', { haltedAt: at })).status).toBe(200)
  await trading()
})

test('halting and resuming need a token that may write; halting a halted fleet keeps the first reason', async () => {
  for (const path of ['/halt', '/resume'])
    expect((await post(path, {}, { 'content-type': 'application/json' })).status).toBe(401)
  await halt('first')
  await halt('second')
  expect((await status()).halt?.reason).toBe('first')
  rmSync(join(fleet.data, 'HALT'))
  expect((await status()).halt).toBeNull()
})
