/** The supervisor on real processes: crash loops are set aside and shown, silence is noticed, sockets outlive who answers on them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { HEALING, type HealingPolicy } from '../src/fleet/healing.ts'
import { Supervisor, type SupervisorEvent, type UnitPlan } from '../src/supervisor/supervisor.ts'
import { freePort } from './support/local-chain.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-supervisor-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** A process that speaks the supervisor's protocol: `crash` exits at once, `mute` beats its heart but never answers, `well` serves. */
const script = join(folder, 'child.mjs')
writeFileSync(
  script,
  `import { createServer } from 'node:http'
const kind = process.argv[2]
const beat = (id) => process.send({ type: 'heartbeat', loopDelayMs: 0, services: [{ id, ready: true }] })
process.on('disconnect', () => process.exit(0))
process.send({ type: 'loaded' })
process.on('message', (message) => {
  if (message.type === 'stop') process.exit(0)
  const aside = message.type === 'stand-in'
  if (kind === 'crash' && !aside) process.exit(7)
  for (const { id, fd } of message.services) {
    createServer((request, response) => {
      if (kind === 'mute' && !aside) return
      response.writeHead(aside ? 503 : 200)
      response.end(aside ? message.reason : String(process.pid))
    }).listen({ fd })
    if (!aside) { beat(id); setInterval(() => beat(id), 200) }
  }
})
`,
)

async function supervise(kind: 'crash' | 'mute' | 'well', healing: Partial<HealingPolicy> = {}, pollMs = 60_000) {
  const port = await freePort()
  const events: SupervisorEvent[] = []
  const unit: UnitPlan = {
    id: 'cell',
    kind: 'cell',
    title: 'cell',
    command: process.execPath,
    args: [script, kind],
    env: process.env,
    services: ['minimal-mcp-server'],
    port: null,
    fromSpare: false,
    after: [],
    onNewChain: false,
    stopSignal: 'SIGTERM',
  }
  const supervisor = new Supervisor({
    plan: { profile: 'test', mode: 'local', startedAt: Date.now(), ports: { 'minimal-mcp-server': port }, bindHost: '127.0.0.1' },
    units: [unit],
    spare: { command: process.execPath, args: [script, kind], env: process.env },
    spares: 0,
    logFolder: folder,
    healing: { ...HEALING, ...healing },
    pollMs,
    now: Date.now,
    random: Math.random,
    onEvent: (event) => events.push(event),
  })
  supervisor.bind([])
  supervisor.start()
  return { supervisor, port, events, status: () => supervisor.status().services[0] }
}

test('a cell that crash-loops is set aside and shown, and its port says so', async () => {
  const { supervisor, port, events, status } = await supervise('crash', { backoff: { firstMs: 5, mostMs: 20 }, most: 5, quarantineMs: 60_000 })
  await expect.poll(() => status()?.status, { timeout: 15_000 }).toBe('quarantined')
  expect(status()?.detail).toBe('ended with code 7')
  expect(events.filter((event) => event.type === 'incident' && event.kind === 'quarantined')).toHaveLength(1)
  await expect.poll(async () => (await fetch(`http://127.0.0.1:${port}`)).status, { timeout: 5_000 }).toBe(503)
  await supervisor.stop(3_000)
})

test('HEALTH_CHECK_INTERVAL: one that beats its heart but answers nobody is found by the poll and replaced', { timeout: 30_000 }, async () => {
  const { supervisor, events, status } = await supervise('mute', {}, 300)
  await expect.poll(() => status()?.status).toBe('healthy')
  const { pid } = status() as { pid: number }
  await expect.poll(() => status()?.pid !== pid && status()?.status === 'healthy', { timeout: 20_000 }).toBe(true)
  expect(events.some((event) => event.type === 'incident' && event.kind === 'unanswered')).toBe(true)
  await supervisor.stop(3_000)
})

test('AUTO_RESTART off: what ended stays ended, with the reason', async () => {
  const { supervisor, status } = await supervise('crash', { autoRestart: false })
  await expect.poll(() => status()?.status).toBe('stopped')
  expect(status()).toMatchObject({ restarts: 1, detail: 'ended with code 7; AUTO_RESTART is off' })
  await supervisor.stop(3_000)
})

test('while a cell is replaced its socket waits: no connection is refused', async () => {
  const { supervisor, port, status } = await supervise('well')
  await expect.poll(() => status()?.status).toBe('healthy')
  for (let round = 0; round < 5; round++) {
    process.kill((status() as { pid: number }).pid, 'SIGKILL')
    // Connections made at once after the kill, with nobody there to accept them.
    const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } }).then((response) => response.status)))
    expect(answers).toEqual(Array(20).fill(200))
  }
  await supervisor.stop(3_000)
  await expect(fetch(`http://127.0.0.1:${port}`)).rejects.toThrow()
})
