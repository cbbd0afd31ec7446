/** A start in wrong surroundings, through the front door: one plain sentence each, within seconds, nothing started. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { foundryBinary } from '../src/adapters/binaries.ts'
import { checkClock, checkDisk, checkProgram, clockDifference } from '../src/adapters/surroundings/machine.ts'
import { rpc } from '../src/localnet/rpc.ts'
import { kintsugi, processesOf } from './support/fleet.ts'
import { freePort } from './support/local-chain.ts'

const data = join(mkdtempSync(join(tmpdir(), 'kintsugi-preflight-')), 'data')
const CLEAN = { DATABASE_URL: '', REDIS_URL: '', AMQP_URL: '', POLYGON_RPC_URL: '' }
const nothing = await freePort()
/** A server that accepts connections and never answers. */
let mute: Server
let mutePort: number
/** A fresh chain that says it is Polygon. */
let fresh: ChildProcess
let freshUrl: string
let other: ChildProcess
let otherUrl: string

async function startAnvil(chainId: number): Promise<{ node: ChildProcess; url: string }> {
  const port = await freePort()
  const args = ['--port', String(port), '--chain-id', String(chainId), '--accounts', '0', '--quiet']
  const node = spawn(foundryBinary('anvil'), args, { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let attempt = 0; attempt < 400; attempt++) {
    if (await rpc(url, 'eth_chainId').catch(() => undefined)) return { node, url }
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
  throw new Error('anvil did not start')
}

beforeAll(async () => {
  mute = createServer(() => undefined)
  await new Promise<void>((resolve) => mute.listen(0, '127.0.0.1', resolve))
  mutePort = (mute.address() as { port: number }).port
  ;({ node: fresh, url: freshUrl } = await startAnvil(137))
  ;({ node: other, url: otherUrl } = await startAnvil(5))
})
afterAll(() => {
  mute?.close()
  fresh?.kill('SIGKILL')
  other?.kill('SIGKILL')
  rmSync(join(data, '..'), { recursive: true, force: true })
})

const ports = ['--port-offset', '14000']
const up = (env: NodeJS.ProcessEnv, args: readonly string[] = []) =>
  kintsugi(['up', '--detach', '--data', data, ...ports, ...args], { ...CLEAN, ...env })

describe('a start that cannot succeed', () => {
  test.each<[string, () => NodeJS.ProcessEnv, () => string]>([
    [
      'Redis is away',
      () => ({ REDIS_URL: `redis://user:secret@127.0.0.1:${nothing}` }),
      () =>
        `REDIS_URL redis://127.0.0.1:${nothing}: nothing listens at 127.0.0.1:${nothing}; start Redis there, or unset REDIS_URL to use the embedded hub`,
    ],
    [
      'Redis hangs',
      () => ({ REDIS_URL: `redis://127.0.0.1:${mutePort}` }),
      () =>
        `REDIS_URL redis://127.0.0.1:${mutePort}: 127.0.0.1:${mutePort} does not answer as Redis within 2.5 s`,
    ],
    [
      'PostgreSQL is away',
      () => ({ DATABASE_URL: `postgres://nobody:secret@127.0.0.1:${nothing}/x` }),
      () =>
        `DATABASE_URL postgres://127.0.0.1:${nothing}/…: nothing listens at 127.0.0.1:${nothing}; start PostgreSQL there`,
    ],
    [
      'PostgreSQL hangs',
      () => ({ DATABASE_URL: `postgres://nobody:secret@127.0.0.1:${mutePort}/x` }),
      () => `127.0.0.1:${mutePort} does not answer as PostgreSQL within 2.5 s`,
    ],
    [
      'RabbitMQ is away, and not built',
      () => ({ AMQP_URL: `amqp://user:secret@127.0.0.1:${nothing}` }),
      () =>
        `AMQP_URL amqp://127.0.0.1:${nothing}: not used, because the RabbitMQ queue is not built yet (nothing listens at 127.0.0.1:${nothing}); unset AMQP_URL to start; tasks are queued in PostgreSQL`,
    ],
    [
      'the node is away',
      () => ({ POLYGON_RPC_URL: `http://127.0.0.1:${nothing}/secret` }),
      () =>
        `POLYGON_RPC_URL http://127.0.0.1:${nothing}/…: nothing listens at 127.0.0.1:${nothing}; start the node`,
    ],
    [
      'the node hangs',
      () => ({ POLYGON_RPC_URL: `ws://127.0.0.1:${mutePort}/secret` }),
      () => `127.0.0.1:${mutePort} does not answer as a node within 2.5 s`,
    ],
    [
      'the node is on another chain',
      () => ({ POLYGON_RPC_URL: otherUrl }),
      () =>
        `POLYGON_RPC_URL ${otherUrl}: the node is on chain 5, polygon is chain 137; name a node of polygon`,
    ],
    [
      'the node has no contracts',
      () => ({ POLYGON_RPC_URL: freshUrl }),
      () =>
        `POLYGON_RPC_URL ${freshUrl}: the node says chain 137, but there is no contract at Balancer's vault 0xba12222222228d8ba445958a75a0704d566bf2c8`,
    ],
    [
      'a program is missing',
      () => ({ KINTSUGI_ANVIL: '/no/such/anvil' }),
      () => 'anvil: KINTSUGI_ANVIL names /no/such/anvil, which does not exist; set KINTSUGI_ANVIL',
    ],
  ])('%s', { timeout: 30_000 }, async (_, env, sentence) => {
    const { code, stderr } = await up(env())
    expect(stderr).toContain(sentence())
    expect(code).toBe(1)
    expect(stderr).toContain('nothing was started')
    expect(stderr).not.toMatch(/secret|fetch failed|ENOENT|viem|ABI|ECONN/)
    expect(existsSync(data)).toBe(false)
    expect(processesOf(data)).toEqual([])
  })

  test('all faults are told at once, misspelt names too; with --json as JSON', {
    timeout: 30_000,
  }, async () => {
    const env = {
      REDIS_URL: `redis://127.0.0.1:${nothing}`,
      DATABASE_URL: `postgres://127.0.0.1:${nothing}/x`,
      POLYGON_RPC_URL: otherUrl,
      POLYGON_RPC_UR: 'x',
    }
    const { stderr } = await up(env)
    for (const setting of ['REDIS_URL', 'DATABASE_URL', 'POLYGON_RPC_URL'])
      expect(stderr).toMatch(new RegExp(`^ {2}${setting} `, 'm'))
    expect(stderr).toContain('3 things stand against a start')
    expect(stderr).toContain('did you mean POLYGON_RPC_URL?')
    const { code, stderr: error, stdout } = await up(env, ['--json'])
    expect([code, JSON.parse(error).error.code]).toEqual([1, 'bad-surroundings'])
    expect(stdout.split('\n').map((line) => line && JSON.parse(line).type)).toEqual(['warning', ''])
  })

  test('doctor shows the same, and what is well', { timeout: 30_000 }, async () => {
    const env = { ...CLEAN, REDIS_URL: `redis://127.0.0.1:${nothing}` }
    const from = performance.now()
    const { code, stdout } = await kintsugi(['doctor', '--data', data, ...ports], env)
    expect(performance.now() - from).toBeLessThan(10_000)
    expect(code).toBe(1)
    expect(stdout).toMatch(/✗ REDIS_URL +redis:\S+ +nothing listens at/)
    for (const name of ['ports', 'disk', 'clock', 'anvil', 'postgres'])
      expect(stdout).toMatch(new RegExp(`✓ ${name} `))
    const { code: fit, stdout: json } = await kintsugi(['doctor', '--json', '--data', data, ...ports], CLEAN)
    const report = JSON.parse(json) as { fit: boolean; findings: { level: string; subject: string }[] }
    expect([fit, report.fit]).toEqual([0, true])
    expect(report.findings.map(({ subject }) => subject).sort()).toEqual([
      'anvil',
      'clock',
      'disk',
      'ports',
      'postgres',
    ])
  })

  test('ports that another program has: how many, and the first three', { timeout: 30_000 }, async () => {
    const taken = await Promise.all(
      [8_000, 8_080, 8_085, 8_091, 8_300].map(async (port) => {
        const server = createServer()
        await new Promise<void>((resolve) => server.listen(port + 14_000, '127.0.0.1', resolve))
        return server
      }),
    )
    const { code, stderr } = await up({})
    for (const server of taken) server.close()
    expect(code).toBe(1)
    expect(stderr).toMatch(
      /5 ports are taken: 22000 \(\w+\), 22080 \(\w+\), 22085 \(\w+\) and 2 more; stop the processes/,
    )
  })
})

describe('checks of the machine', () => {
  test('a full disk and a folder of somebody else', () => {
    expect(checkDisk(data, () => 199_000_000)).toMatchObject({
      level: 'fault',
      found: '199 MB free, at least 200 MB are needed',
    })
    expect(checkDisk(data, () => 3_000_000_000)).toMatchObject({ level: 'ok', found: '3,000 MB free' })
    expect(checkDisk('/proc/kintsugi')).toMatchObject({ level: 'fault' })
  })
  test('the clock', () => {
    expect(checkClock(Date.UTC(2026, 0, 1))).toMatchObject({ level: 'ok' })
    expect(checkClock(Date.UTC(2026, 0, 1) - 1)).toMatchObject({
      level: 'fault',
      value: '2025-12-31T23:59:59.999Z',
    })
    const now = 1_700_000_000_000
    expect(clockDifference(now, { number: 7, timestamp: 1_700_000_030 })).toBeUndefined()
    expect(clockDifference(now, { number: 7, timestamp: 1_700_000_031 })?.found).toBe(
      'block 7 is 31 s later than the clock of this machine',
    )
    expect(clockDifference(now, { number: 7, timestamp: 1_699_999_700 })).toBeUndefined()
    expect(clockDifference(now, { number: 7, timestamp: 1_699_999_699 })?.found).toBe(
      'block 7, the latest one, is 301 s old',
    )
  })
  test('programs', () => {
    expect(checkProgram('postgres', { KINTSUGI_POSTGRES: '/no/such' })).toMatchObject({ level: 'fault' })
    expect(checkProgram('anvil', {})).toMatchObject({ level: 'ok' })
  })
})
