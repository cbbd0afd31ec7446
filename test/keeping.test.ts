/** Keeper, watcher, supervisor and infrastructure are killed, alone and in pairs, under load. Also chaos, the healing agent, and leftovers of a killed fleet. */
import { readdirSync, readFileSync } from 'node:fs'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import type { StatusView } from '../src/gateway/api/schema.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { Fleet, kintsugi, processesOf } from './support/fleet.ts'

const fleet = new Fleet(12_000)
beforeAll(() => fleet.start(60_000), 70_000)
afterAll(() => fleet.dispose(), 40_000)

interface Process {
  readonly pid: number
  /** keeper, watcher, or the name of its file: supervisor, cell, hub, ... */
  readonly role: string
}

function ours(): Process[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid): Process[] => {
      try {
        const env = readFileSync(`/proc/${pid}/environ`, 'utf8')
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        if (!env.includes(`KINTSUGI_DATA=${fleet.data}\0`) || stat.includes(') Z ')) return []
        const file = readFileSync(`/proc/${pid}/cmdline`, 'utf8')
          .split('\0')
          .find((part) => part.endsWith('.js'))
          ?.split('/')
          .at(-1)
          ?.replace('.js', '')
        return [
          {
            pid: Number(pid),
            role: file === 'keeper' ? (/KINTSUGI_ROLE=(\w+)/.exec(env)?.[1] ?? 'keeper') : (file ?? ''),
          },
        ]
      } catch {
        return []
      }
    })
}

async function pidOf(name: string): Promise<number> {
  const found = ours().find(({ role }) => role === name)?.pid
  if (found !== undefined) return found
  const status = await fleet.status()
  return (status.main[name] ?? status.agents[name] ?? status.servers[name])?.pid as number
}

/** Stops the processes before it kills them, so that none can react to another's end. */
async function killAtOnce(names: readonly string[]): Promise<void> {
  const pids = await Promise.all(names.map(pidOf))
  for (const signal of ['SIGSTOP', 'SIGKILL'] as const) for (const pid of pids) process.kill(pid, signal)
}

const allHealthy = async () => {
  const status: StatusView = await fleet.status()
  const services = Object.values({
    ...status.servers,
    ...status.agents,
    ...status.main,
    ...status.infrastructure,
  })
  return services.length > 20 && services.every(({ status: state }) => state === 'healthy')
}

const KEEPING = ['keeper', 'watcher', 'supervisor', 'hub', 'coordination_system', 'self_healing_agent']
const PAIRS = KEEPING.flatMap((a, index) => KEEPING.slice(index + 1).map((b) => [a, b])).filter(
  (pair) => pair.join() !== 'keeper,watcher',
)

test('every process that keeps the fleet, and every pair of them, is killed: it is replaced, nothing else restarts, no read fails', {
  timeout: 240_000,
}, async () => {
  let reading = true
  let [answered, refused] = [0, 0]
  const reads = (async () => {
    while (reading) {
      const response = await fleet
        .query(8091, { type: 'price_query', symbol: 'ETH' }, { connection: 'close' })
        .catch(() => undefined)
      if (response?.ok) answered++
      else refused++
      await new Promise((resolve) => setTimeout(resolve, 25))
    }
  })()
  const trading = await pidOf('mcp_price_feed_server')
  for (const victims of [...KEEPING.map((name) => [name]), ...PAIRS]) {
    const pids = await Promise.all(victims.map(pidOf))
    for (const pid of pids) process.kill(pid, 'SIGKILL')
    await fleet.until(
      `back after ${victims.join(' and ')} were killed`,
      async () => {
        const roles = ours()
        const replaced = victims.every(
          (name) =>
            !['keeper', 'watcher', 'supervisor', 'hub'].includes(name) ||
            roles.some(({ role, pid }) => role === name && !pids.includes(pid)),
        )
        return replaced && (await allHealthy())
      },
      15_000,
    )
  }
  reading = false
  await reads
  expect(refused).toBe(0)
  expect(answered).toBeGreaterThan(100)
  expect(await pidOf('mcp_price_feed_server')).toBe(trading)
})

test('chaos kills a service every 2 s while the fleet trades: no read fails, and the ledger equals the chain', {
  timeout: 120_000,
}, async () => {
  const outcome = await kintsugi([
    'chaos',
    'run',
    'kill',
    '--seconds',
    '20',
    '--reads',
    '40',
    '--seed',
    '3',
    '--data',
    fleet.data,
    '--json',
  ])
  const report = JSON.parse(outcome.stdout)
  expect(report.reads.errors).toEqual({})
  expect(report.reads.lost).toBe(0)
  expect(report.reads.sent).toBeGreaterThan(500)
  expect(report.recoveries.missing).toBe(0)
  expect(report.trades.books.differences).toEqual([])
  expect(report.healthyAfterwards).toBe(true)
  expect(outcome.code).toBe(0)
})

test('two gateways on one socket are killed under load: no read fails', { timeout: 120_000 }, async () => {
  const control = socketPath(fleet.data, 'control')
  await askSupervisor(control, { op: 'scale', service: 'coordination_system', instances: 2 })
  await fleet.until(
    'the second gateway',
    async () => (await fleet.status()).main['coordination_system#2']?.status === 'healthy',
  )
  const killed: string[] = []
  const killing = (async () => {
    for (const cell of ['coordination_system', 'coordination_system#2', 'coordination_system']) {
      await new Promise((resolve) => setTimeout(resolve, 4_000))
      await askSupervisor(control, { op: 'inject-fault', service: cell, fault: { kind: 'kill' } })
      killed.push(cell)
    }
  })()
  const { stdout, stderr } = await kintsugi([
    'chaos',
    'run',
    'kill',
    '--data',
    fleet.data,
    '--seconds',
    '16',
    '--reads',
    '60',
    '--include-gateway',
    '--json',
  ])
  await killing
  expect(stderr).toBe('')
  const report = JSON.parse(stdout)
  expect(killed).toHaveLength(3)
  expect(report.reads.sent).toBeGreaterThan(800)
  expect(report.reads, JSON.stringify(report.reads.errors)).toMatchObject({ lost: 0 })
  await askSupervisor(control, { op: 'scale', service: 'coordination_system', instances: 1 })
  await fleet.until(
    'one gateway again',
    async () => !('coordination_system#2' in (await fleet.status()).main),
  )
})

test('chaos refuses an unknown fault, and to fill a disk that is too large', async () => {
  expect((await kintsugi(['chaos', 'run', 'earthquake', '--data', fleet.data])).stderr).toMatch(
    /unknown scenario "earthquake"[\s\S]*scenarios: kill, stop/,
  )
  expect(JSON.parse((await kintsugi(['chaos', 'list', '--json'])).stdout).kill.everyMs).toBe(2_000)
})

test('a leaking service is replaced by a planned restart before it reaches its limit', {
  timeout: 150_000,
}, async () => {
  const before = await pidOf('mcp_monitoring_server')
  const chaos = kintsugi([
    'chaos',
    'run',
    'leak',
    '--seconds',
    '1',
    '--reads',
    '20',
    '--seed',
    '1',
    '--data',
    fleet.data,
    '--json',
  ])
  const report = JSON.parse((await chaos).stdout)
  expect(before).toBeGreaterThan(0)
  expect(report.reads.lost).toBe(0)
  expect(report.recoveries).toMatchObject({ count: 1, missing: 0 })
  const { incidents } = await fleet.get<{ incidents: { kind: string; detail: string; action: string }[] }>(
    8300,
    '/incidents?limit=200',
  )
  expect(
    incidents.filter(({ kind, detail }) => kind === 'leak' && /grows by \d+ KB\/s/.test(detail)).at(-1)
      ?.action,
  ).toBe('a successor opens first')
})

test('the healing agent: status, healing on request with a token, refusals that name the field', async () => {
  expect(await fleet.get(8300, '/system-status')).toMatchObject({
    overall: expect.any(String),
    services: { healthy: expect.any(Number) },
  })
  const post = (path: string, body: unknown, token = true) =>
    fetch(fleet.url(8300, path), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(token ? { authorization: `Bearer ${fleet.token}` } : {}),
      },
      body: JSON.stringify(body),
    })
  expect((await post('/heal-service', { service: 'dashboard' }, false)).status).toBe(401)
  const unknown = await post('/heal-service', { service: 'nobody' })
  expect(unknown.status).toBe(404)
  expect(await unknown.json()).toMatchObject({
    error: {
      code: 'unknown-service',
      message: expect.stringContaining('service: unknown service "nobody"'),
    },
  })
  const stop = await fleet.query(
    8098,
    { type: 'stop_server', service: 'mcp-stability-report', reason: 'a test' },
    { authorization: `Bearer ${fleet.token}` },
  )
  expect(((await stop.json()) as { result: { service: { cell: string } } }).result.service.cell).toBe(
    'mcp-stability-report',
  )
  await fleet.until(
    'stopped',
    async () =>
      ((await fleet.get<{ unwell: { service: string; status: string }[] }>(8300, '/system-status')).unwell[0]
        ?.status ?? '') === 'stopped',
  )
  expect(await (await post('/heal-service', { service: 'mcp-stability-report' })).json()).toMatchObject({
    before: 'stopped',
    action: 'started',
  })
  await fleet.until('healed', allHealthy)
  expect(await (await post('/emergency-healing', {})).json()).toEqual({ healed: [] })
})

test('the heap limit of a cell changes without a lost call, and survives a kill', {
  timeout: 60_000,
}, async () => {
  const control = socketPath(fleet.data, 'control')
  const limit = async () => (await askSupervisor(control, { op: 'vitals' })).development?.heapLimit ?? 0
  const before = await limit()
  let reading = true
  let lost = 0
  const reads = (async () => {
    while (reading)
      if (!(await fleet.query(8070, { type: 'health' }, { connection: 'close' }).catch(() => undefined))?.ok)
        lost++
  })()
  await askSupervisor(control, {
    op: 'resize',
    cell: 'development',
    heapMb: 2_048,
    reason: 'a test wants more',
  })
  await fleet.until('the larger heap', async () => (await limit()) > before * 1.5)
  await askSupervisor(control, { op: 'inject-fault', service: 'development', fault: { kind: 'kill' } })
  await fleet.until('it is back', allHealthy)
  await fleet.until('still the larger heap', async () => (await limit()) > before * 1.5)
  await askSupervisor(control, { op: 'resize', cell: 'development', heapMb: null, reason: 'and now less' })
  await fleet.until('the default heap', async () => (await limit()) === before)
  reading = false
  await reads
  // The kill may break the call that is in flight on the service's own port.
  expect(lost).toBeLessThanOrEqual(1)
  await expect(
    askSupervisor(control, { op: 'resize', cell: 'development', heapMb: 7, reason: '' }),
  ).rejects.toMatchObject({
    code: 'bad-argument',
    message: expect.stringContaining('heapMb'),
  })
})

test('scaling out and in: instances answer behind the gateway and on their own ports', {
  timeout: 60_000,
}, async () => {
  const token = { authorization: `Bearer ${fleet.token}` }
  const scale = async (instances: number) => {
    const response = await fleet.query(
      8049,
      { type: 'scale_service', service: 'mcp_liquidity_server', instances },
      token,
    )
    return ((await response.json()) as { result: { instances: { id: string; port: number }[] } }).result
      .instances
  }
  const [, second] = await scale(2)
  expect(second?.id).toBe('mcp_liquidity_server#2')
  await fleet.until(
    'the second instance',
    async () => (await fetch(`http://127.0.0.1:${second?.port}/ready`)).ok,
  )
  const refused = await fleet.query(
    8049,
    { type: 'scale_service', service: 'mcp_coordinator_server', instances: 2 },
    token,
  )
  expect(await refused.json()).toMatchObject({ error: { code: 'not-scalable' } })
  await scale(1)
  await fleet.until('one instance', async () =>
    Object.keys((await fleet.status()).servers).every((id) => !id.includes('#')),
  )
})

test('keeper and watcher killed at the same instant: everything ends cleanly, and a start finds no orphans', {
  timeout: 180_000,
}, async () => {
  await killAtOnce(['keeper', 'watcher'])
  await expect.poll(() => processesOf(fleet.data), { timeout: 30_000 }).toEqual([])
  // The command line that started it says why it ended, and fails.
  await expect.poll(() => fleet.child?.exitCode, { timeout: 10_000 }).toBe(1)
  expect(fleet.output()).toMatch(/error the fleet ended: its keeper and its watcher were killed/)
  expect(fleet.output()).toMatch(/hint {2}nothing is lost: start the fleet again/)
  await fleet.start(60_000)
  await fleet.until('healthy again', allHealthy, 30_000)
  // Killing all three leaves processes behind; the next start ends them.
  await killAtOnce(['keeper', 'watcher', 'supervisor'])
  await new Promise((resolve) => setTimeout(resolve, 500))
  fleet.child?.kill('SIGKILL')
  expect(processesOf(fleet.data).length).toBeGreaterThan(3)
  await fleet.start(60_000)
  await fleet.until('healthy again', allHealthy, 30_000)
})
