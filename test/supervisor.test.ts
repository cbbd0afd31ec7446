/** The supervisor on real processes: each strategy of healing, seen from outside. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, expect, test } from 'vitest'
import { HEALING, type HealingPolicy, type UnitSpec } from '../src/fleet/healing/state.ts'
import type { SupervisorEvent } from '../src/supervisor/options.ts'
import { Supervisor } from '../src/supervisor/supervisor.ts'
import { DirectDriver } from './support/direct-driver.ts'
import { freePort } from './support/local-chain.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-supervisor-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/**
 * A process that speaks the supervisor's protocol. KINTSUGI_MISBEHAVE sets the behaviour of services, as
 * `service=kind`: `crash` exits when it is hosted and names its service, `silent-crash` does not name it,
 * `mute` sends heartbeats but never answers, `unwell` loses a dependency.
 */
const script = join(folder, 'child.mjs')
writeFileSync(
  script,
  `import { createServer } from 'node:http'
import { connect } from 'node:net'
const misbehave = Object.fromEntries((process.env.KINTSUGI_MISBEHAVE ?? '').split(',').map((pair) => pair.split('=')))
const hosted = new Map(), servers = new Map()
let held = false, begin
const begun = new Promise((resolve) => { begin = resolve })
const socket = connect(process.env.LINK)
socket.setEncoding('utf8')
const send = (message) => socket.write(JSON.stringify(message) + '\\n')
const beat = () => send({ type: 'heartbeat', services: [...hosted].map(([id, state]) => ({ id, ...state })) })
socket.on('connect', () => {
  send({ type: 'hello', process: process.env.KINTSUGI_PROCESS, pid: process.pid })
  send({ type: 'loaded' })
  if (process.argv[2] === 'piece') { hosted.set(process.argv[3], { ready: true }); beat() }
  setInterval(beat, Number(process.env.BEAT_MS ?? 200))
})
socket.on('close', () => process.exit(0))
let rest = ''
socket.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n')
  rest = lines.pop()
  for (const line of lines) receive(JSON.parse(line))
})
function serve({ id, fd }, answer) {
  const server = createServer(answer)
  servers.set(id, server)
  return new Promise((resolve) => server.listen({ fd }, resolve))
}
async function receive(message) {
  if (message.type === 'stop') {
    const closed = [...servers.values()].map((server) => new Promise((resolve) => server.close(resolve)))
    send({ type: 'released' })
    Promise.all(closed).then(() => process.exit(0))
  } else if (message.type === 'begin') begin()
  else if (message.type === 'reconnect') { if (process.env.STUBBORN !== '1') for (const id of hosted.keys()) hosted.set(id, { ready: true }); beat() }
  else if (message.type === 'stand-in') for (const each of message.services) await serve(each, (request, response) => { response.writeHead(503); response.end(message.reason) })
  else if (message.type === 'release') { for (const id of message.services) { servers.get(id)?.close(); hosted.delete(id) } beat() }
  else if (message.type === 'host') for (const each of message.services) {
    const kind = misbehave[each.id]
    if (kind === 'crash') { send({ type: 'failed', service: each.id, message: 'it threw' }); setTimeout(() => process.exit(7), 5) }
    if (kind === 'silent-crash') setTimeout(() => process.exit(7), 30)
    await serve(each, (request, response) => {
      if (kind === 'mute') return
      if (request.url === '/unwell') { hosted.set(each.id, { ready: false, reason: 'lost' }); beat() }
      if (request.url === '/hang') for (;;) {}
      setTimeout(() => response.end(String(process.pid)), request.url === '/slow' ? 400 : 0)
    })
    hosted.set(each.id, { ready: true })
    beat()
  }
}
`,
)

const running: Supervisor[] = []
afterEach(async () => {
  for (const supervisor of running.splice(0)) await supervisor.stop(3_000)
})

const IDS = ['minimal-mcp-server', 'simple_mcp_server', 'mcp_server']

async function supervise({
  services = IDS.slice(0, 1),
  misbehave = {},
  healing = {},
  pollMs = 60_000,
  pieces = [],
  env = {},
  scalable = services,
  oomKills = () => 0,
}: {
  services?: string[]
  misbehave?: Record<string, string>
  healing?: Partial<HealingPolicy>
  pollMs?: number
  pieces?: string[]
  env?: NodeJS.ProcessEnv
  scalable?: string[]
  oomKills?: () => number
} = {}) {
  const ports: Record<string, number> = {}
  for (const id of services) ports[id] = await freePort()
  const linkPath = join(folder, `link-${Object.values(ports)[0]}.sock`)
  const events: SupervisorEvent[] = []
  const spec: UnitSpec = { id: 'cell', kind: 'cell', services, after: pieces, fromSpare: true }
  let driver: DirectDriver | undefined
  const supervisor = new Supervisor({
    plan: {
      profile: 'test',
      mode: 'local',
      startedAt: Date.now(),
      ports,
      bindHost: '127.0.0.1',
      heldSockets: true,
      instancePorts: 0,
    },
    externals: [],
    units: [
      ...pieces.map((id) => ({
        spec: { id, kind: 'infrastructure' as const, services: [], after: [], fromSpare: false },
        title: id,
        port: null,
      })),
      { spec, title: 'cell', port: null },
    ],
    driver: (driverEvents) =>
      (driver = new DirectDriver(driverEvents, {
        ports: Object.values(ports),
        args: (unit) => [script, ...(unit !== null && pieces.includes(unit) ? ['piece', unit] : ['cell'])],
        env: {
          ...process.env,
          ...env,
          LINK: linkPath,
          KINTSUGI_MISBEHAVE: Object.entries(misbehave)
            .map(([id, kind]) => `${id}=${kind}`)
            .join(','),
        },
      })),
    linkPath,
    stateFile: join(folder, 'fleet.json'),
    callFolder: folder,
    policy: { ...HEALING, spares: 0, ...healing },
    scalable,
    pollMs,
    now: Date.now,
    monotonic: () => performance.now(),
    seed: 1,
    onEvent: (event) => events.push(event),
    onLost: () => undefined,
    oomKills,
  })
  running.push(supervisor)
  await supervisor.start()
  const status = (id = services[0]) => supervisor.status().services.find((service) => service.id === id)
  const healthy = (id = services[0]) =>
    expect.poll(() => status(id)?.status, { timeout: 15_000 }).toBe('healthy')
  const kinds = () => events.flatMap((event) => (event.type === 'incident' ? [event.kind] : []))
  const get = (path = '/', id = services[0] as string) =>
    fetch(`http://127.0.0.1:${ports[id]}${path}`, {
      headers: { connection: 'close' },
      signal: AbortSignal.timeout(10_000),
    })
  return { supervisor, ports, events, status, healthy, kinds, get, driver: driver as unknown as DirectDriver }
}

test('a cell in a crash loop is quarantined, and its port answers 503', async () => {
  const { status, kinds, get } = await supervise({
    misbehave: { 'minimal-mcp-server': 'silent-crash' },
    healing: { backoff: { firstMs: 5, maxMs: 20 }, maxFailures: 5, quarantineMs: 60_000, spares: 1 },
  })
  await expect.poll(() => status()?.status, { timeout: 15_000 }).toBe('quarantined')
  expect(status()?.detail).toBe('exited with code 7')
  expect(kinds().filter((kind) => kind === 'quarantined')).toHaveLength(1)
  await expect.poll(async () => (await get()).status, { timeout: 5_000 }).toBe(503)
})

test('a service that crashes its cell is isolated, then quarantined; the others keep running', {
  timeout: 30_000,
}, async () => {
  const { status, healthy, kinds, get } = await supervise({
    services: IDS,
    misbehave: { simple_mcp_server: 'crash' },
    healing: { backoff: { firstMs: 5, maxMs: 20 }, maxFailures: 5, quarantineMs: 60_000 },
  })
  await expect.poll(() => status('simple_mcp_server')?.status, { timeout: 20_000 }).toBe('quarantined')
  expect(kinds()).toContain('isolated')
  expect(status('simple_mcp_server')).toMatchObject({ cell: 'simple_mcp_server', home: 'cell' })
  await healthy('minimal-mcp-server')
  await healthy('mcp_server')
  const pid = status('mcp_server')?.pid
  await new Promise((resolve) => setTimeout(resolve, 500))
  expect(status('mcp_server')?.pid).toBe(pid)
  expect((await get('/', 'mcp_server')).status).toBe(200)
})

test('without a suspect the cell is split in halves until the others run without the culprit', {
  timeout: 40_000,
}, async () => {
  const { status, healthy } = await supervise({
    services: IDS,
    misbehave: { mcp_server: 'silent-crash' },
    healing: { backoff: { firstMs: 5, maxMs: 20 }, maxFailures: 12, halveAfter: 3, quarantineMs: 60_000 },
  })
  await expect.poll(() => status('mcp_server')?.status, { timeout: 30_000 }).toBe('quarantined')
  await healthy('minimal-mcp-server')
  await healthy('simple_mcp_server')
  expect(status('mcp_server')?.cell).not.toBe(status('minimal-mcp-server')?.cell)
})

test('HEALTH_CHECK_INTERVAL: a process that sends heartbeats but does not answer is found by the poll and replaced', {
  timeout: 30_000,
}, async () => {
  const { status, healthy, events } = await supervise({
    misbehave: { 'minimal-mcp-server': 'mute' },
    pollMs: 300,
  })
  await healthy()
  const { pid } = status() as { pid: number }
  await expect
    .poll(() => status()?.pid !== pid && status()?.status === 'healthy', { timeout: 20_000 })
    .toBe(true)
  expect(
    events.some(
      (event) => event.type === 'incident' && event.kind === 'hung' && event.detail.includes('/health'),
    ),
  ).toBe(true)
})

test('a process that hangs is found by its missing heartbeats and replaced within 3 s and a start', {
  timeout: 30_000,
}, async () => {
  const { status, healthy, get } = await supervise()
  await healthy()
  const { pid } = status() as { pid: number }
  await expect.poll(() => status()?.pid).toBe(pid)
  process.kill(pid, 'SIGSTOP')
  const stopped = performance.now()
  expect(Number(await (await get()).text())).not.toBe(pid)
  expect(performance.now() - stopped).toBeLessThan(5_000)
})

test('a process that was killed from outside is told from one that the kernel killed for lack of memory', async () => {
  let killedByKernel = 0
  const { status, healthy, events } = await supervise({ oomKills: () => killedByKernel })
  const causeOfKill = async () => {
    await healthy()
    const { pid } = status() as { pid: number }
    process.kill(pid, 'SIGKILL')
    await expect.poll(() => status()?.pid, { timeout: 15_000 }).not.toBe(pid)
    return events
      .flatMap((event) => (event.type === 'incident' && event.kind === 'exited' ? [event.detail] : []))
      .at(-1)
  }
  expect(await causeOfKill()).toBe('killed by SIGKILL')
  killedByKernel++
  expect(await causeOfKill()).toBe('killed by the kernel: out of memory')
  expect(await causeOfKill()).toBe('killed by SIGKILL')
})

test('AUTO_RESTART off: a failed cell stays stopped, with the reason', async () => {
  const { status } = await supervise({
    misbehave: { 'minimal-mcp-server': 'crash' },
    healing: { autoRestart: false },
  })
  await expect.poll(() => status()?.status).toBe('stopped')
  expect(status()).toMatchObject({ detail: 'exited with code 7; AUTO_RESTART is off' })
})

test('while a cell is replaced no connection is refused', async () => {
  const { status, healthy, get } = await supervise()
  await healthy()
  for (let round = 0; round < 5; round++) {
    process.kill((status() as { pid: number }).pid, 'SIGKILL')
    // Connections made at once after the kill, while no process accepts them.
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => get().then((response) => response.status)),
    )
    expect(answers).toEqual(Array(20).fill(200))
    await healthy()
  }
})

test('a planned restart loses no call: the successor opens first, the old process answers its slow calls', {
  timeout: 30_000,
}, async () => {
  const { supervisor, status, healthy, get } = await supervise({ healing: { spares: 1 } })
  await healthy()
  for (let round = 0; round < 3; round++) {
    const { pid } = status() as { pid: number }
    const slow = get('/slow')
    let asking = true
    let asked = 0
    const reads = (async () => {
      while (asking) {
        expect((await get()).status).toBe(200)
        asked++
      }
    })()
    await new Promise((resolve) => setTimeout(resolve, 50))
    supervisor.restart('minimal-mcp-server', 'a test')
    await expect
      .poll(() => status()?.pid !== pid && status()?.status === 'healthy', { timeout: 10_000 })
      .toBe(true)
    expect(Number(await (await slow).text())).toBe(pid)
    asking = false
    await reads
    expect(asked).toBeGreaterThan(10)
  }
})

test('a dependant that does not reconnect restarts; one that reconnects keeps running', {
  timeout: 30_000,
}, async () => {
  for (const stubborn of [false, true]) {
    const { status, healthy, get, kinds, driver, supervisor } = await supervise({
      pieces: ['database'],
      healing: { reconnectMs: 600 },
      env: stubborn ? { STUBBORN: '1' } : {},
    })
    await healthy()
    const { pid } = status() as { pid: number }
    await get('/unwell')
    await expect.poll(() => status()?.status).toBe('degraded')
    const database = supervisor.status().services.find(({ id }) => id === 'database') as { pid: number }
    process.kill(database.pid, 'SIGKILL')
    await expect
      .poll(() => status()?.status === 'healthy' && (stubborn ? status()?.pid !== pid : true), {
        timeout: 10_000,
      })
      .toBe(true)
    if (!stubborn) {
      await new Promise((resolve) => setTimeout(resolve, 1_000))
      expect(status()?.pid).toBe(pid)
    }
    expect(kinds().includes('not-reconnected')).toBe(stubborn)
    expect(driver.children.size).toBe(2)
    await supervisor.stop(3_000)
    running.splice(0)
  }
})

test('scaling: further instances answer on the same socket, and stop', { timeout: 20_000 }, async () => {
  const { supervisor, healthy, get } = await supervise()
  await healthy()
  expect(supervisor.scale('minimal-mcp-server', 3).map(({ id }) => id)).toEqual([
    'minimal-mcp-server',
    'minimal-mcp-server#2',
    'minimal-mcp-server#3',
  ])
  await expect
    .poll(() => supervisor.status().services.filter((service) => service.status === 'healthy'))
    .toHaveLength(3)
  const answered = async () =>
    new Set(await Promise.all(Array.from({ length: 60 }, async () => (await get()).text())))
  expect((await answered()).size).toBeGreaterThan(1)
  supervisor.scale('minimal-mcp-server', 1)
  await expect.poll(() => supervisor.status().services, { timeout: 10_000 }).toHaveLength(1)
  expect((await answered()).size).toBe(1)
})

test('scaling refuses infrastructure and singletons, each with its reason', { timeout: 20_000 }, async () => {
  const { supervisor, healthy } = await supervise({
    services: IDS.slice(0, 2),
    pieces: ['database'],
    scalable: IDS.slice(0, 1),
  })
  await healthy()
  const refused = (service: string, message: string) =>
    expect(() => supervisor.scale(service, 2)).toThrow(
      expect.objectContaining({ code: 'not-scalable', message: expect.stringContaining(message) }),
    )
  refused('database', 'infrastructure runs as one process')
  refused(IDS[1] as string, 'only one instance may run')
})

test('injected faults cause no quarantine', { timeout: 20_000 }, async () => {
  const { supervisor, status, healthy, kinds } = await supervise({ healing: { maxFailures: 3 } })
  for (let kill = 0; kill < 6; kill++) {
    await healthy()
    const { pid } = status() as { pid: number }
    supervisor.injectFault('minimal-mcp-server', { kind: 'kill' })
    await expect.poll(() => status()?.pid !== pid).toBe(true)
  }
  await healthy()
  expect(kinds()).not.toContain('quarantined')
})
