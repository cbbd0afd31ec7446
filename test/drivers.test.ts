/**
 * The supervisor over containers and pods. The engines are fakes that serve the real APIs and run real
 * processes.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { KubeConfig } from '@kubernetes/client-node'
import { afterAll, afterEach, describe, expect, test } from 'vitest'
import { describeExit } from '../src/fleet/exit-cause.ts'
import { HEALING, type UnitSpec } from '../src/fleet/healing/state.ts'
import type { ContainerPlan } from '../src/supervisor/drivers/container-plan.ts'
import { DockerDriver } from '../src/supervisor/drivers/docker-driver.ts'
import type { Driver, DriverEvents } from '../src/supervisor/drivers/driver.ts'
import { KubernetesDriver } from '../src/supervisor/drivers/kubernetes-driver.ts'
import { Supervisor } from '../src/supervisor/supervisor.ts'
import { DockerEngine, KubernetesApi } from './support/engines.ts'
import { freePort } from './support/local-chain.ts'

const folder = mkdtempSync(join(tmpdir(), 'kintsugi-drivers-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/**
 * A cell that binds its port itself, tries again while its predecessor still has it, and stops on request.
 */
const script = join(folder, 'cell.mjs')
writeFileSync(
  script,
  `import { createServer } from 'node:http'
import { connect } from 'node:net'
const socket = connect(process.env.LINK)
socket.setEncoding('utf8')
const send = (message) => socket.write(JSON.stringify(message) + '\\n')
let services = []
const beat = () => send({ type: 'heartbeat', services: services.map((id) => ({ id, ready: true })) })
socket.on('connect', () => { send({ type: 'hello', process: process.env.KINTSUGI_PROCESS, pid: process.pid }); send({ type: 'loaded' }); setInterval(beat, 200) })
socket.on('close', () => process.exit(0))
let rest = ''
socket.on('data', (chunk) => {
  const lines = (rest + chunk).split('\\n')
  rest = lines.pop()
  for (const line of lines) {
    const message = JSON.parse(line)
    if (message.type === 'stop') process.exit(0)
    if (message.type === 'host') {
      const server = createServer((request, response) => response.end(process.env.KINTSUGI_PROCESS))
      const listen = () => server.listen(Number(process.env.PORT), '127.0.0.1')
      server.on('error', () => setTimeout(listen, 20))
      server.on('listening', () => { services = message.services.map(({ id }) => id); beat() })
      listen()
    }
  }
})
`,
)

const SERVICE = 'minimal-mcp-server'
const planOf =
  (port: number, link: string) =>
  (unit: string | null, process_: string): ContainerPlan => ({
    image: 'kintsugi:test',
    command: [process.execPath, script],
    env: { KINTSUGI_PROCESS: process_, LINK: link, PORT: String(port) },
    volumes: ['data:/data:ro'],
    network: 'fleet',
    aliases: unit === null ? [] : [unit],
    memoryBytes: 512e6,
  })

async function supervise(make: (events: DriverEvents, plan: ReturnType<typeof planOf>) => Driver) {
  const port = await freePort()
  const linkPath = join(folder, `link-${port}.sock`)
  const spec: UnitSpec = { id: 'cell', kind: 'cell', services: [SERVICE], after: [], fromSpare: false }
  const supervisor = new Supervisor({
    plan: {
      profile: 'test',
      mode: 'local',
      startedAt: Date.now(),
      ports: { [SERVICE]: port },
      bindHost: '127.0.0.1',
      heldSockets: false,
      instancePorts: 0,
    },
    externals: [],
    units: [{ spec, title: 'cell', port: null }],
    driver: (events) => make(events, planOf(port, linkPath)),
    linkPath,
    stateFile: join(folder, `fleet-${port}.json`),
    callFolder: folder,
    policy: { ...HEALING, spares: 0 },
    scalable: [],
    pollMs: 60_000,
    now: Date.now,
    monotonic: () => performance.now(),
    seed: 1,
    onEvent: () => undefined,
    oomKills: () => undefined,
    onLost: () => undefined,
  })
  open.push(() =>
    Promise.race([supervisor.stop(1_000), new Promise<void>((resolve) => setTimeout(resolve, 2_000))]),
  )
  await supervisor.start()
  const status = () => supervisor.status().services[0]
  const healthy = () => expect.poll(() => status()?.status, { timeout: 10_000 }).toBe('healthy')
  const answer = async () =>
    (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text()
  return { supervisor, status, healthy, answer }
}

const errors: string[] = []
/** Resources that a failing test leaves open. */
const open: (() => void | Promise<void>)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

describe.each(['Docker', 'Kubernetes'] as const)('%s', (kind) => {
  const setUp = async () => {
    const engine = kind === 'Docker' ? new DockerEngine() : new KubernetesApi()
    const socketPath = join(folder, `${kind}-${Math.round(performance.now() * 1_000)}.sock`)
    let config: KubeConfig | undefined
    if (kind === 'Docker') await engine.listenOn(socketPath)
    else {
      const port = await engine.listen(0)
      config = new KubeConfig()
      config.loadFromOptions({
        clusters: [{ name: 'peer', server: `http://127.0.0.1:${port}`, skipTLSVerify: true }],
        users: [{ name: 'nobody' }],
        contexts: [{ name: 'peer', cluster: 'peer', user: 'nobody' }],
        currentContext: 'peer',
      })
    }
    const make = (events: DriverEvents, plan: ReturnType<typeof planOf>): Driver =>
      config
        ? new KubernetesDriver({
            ...events,
            config,
            namespace: 'fleet',
            run: 'r1',
            planOf: plan,
            onError: (message) => errors.push(message),
          })
        : new DockerDriver({
            ...events,
            socketPath,
            run: 'r1',
            planOf: plan,
            onError: (message) => errors.push(message),
          })
    return { engine, make }
  }

  test('a cell is started, replaced when it is killed, restarted on request, and stopped', {
    timeout: 25_000,
  }, async () => {
    const { engine, make } = await setUp()
    const { supervisor, status, healthy, answer } = await supervise(make)
    await healthy()
    const first = await answer()
    expect(engine.running.size).toBe(1)
    expect([...engine.running.keys()][0]).toBe(`kintsugi-r1-${first}`)
    for (const { child } of engine.running.values()) child?.kill('SIGKILL')
    await expect.poll(() => status()?.restarts, { timeout: 10_000 }).toBe(1)
    await healthy()
    const second = await answer()
    expect(second).not.toBe(first)
    expect(supervisor.incidents().map((incident) => `${incident.kind}: ${incident.detail}`)).toContain(
      'exited: killed by SIGKILL',
    )
    supervisor.restart(SERVICE, 'a test')
    await expect.poll(() => answer().catch(() => second), { timeout: 10_000 }).not.toBe(second)
    await healthy()
    await supervisor.stop(5_000)
    await expect
      .poll(() => [...engine.running.values()].filter(({ state }) => state === 'running').length, {
        timeout: 10_000,
      })
      .toBe(0)
    await engine.close()
  })

  test('a hung process is killed through the engine and replaced', { timeout: 25_000 }, async () => {
    const { engine, make } = await setUp()
    const { supervisor, healthy, answer } = await supervise(make)
    await healthy()
    const first = await answer()
    for (const { child } of engine.running.values()) child?.kill('SIGSTOP')
    await expect.poll(() => answer().catch(() => first), { timeout: 20_000 }).not.toBe(first)
    await supervisor.stop(5_000)
    await engine.close()
  })

  test('an exit while the event stream is cut is found when the stream is back', {
    timeout: 25_000,
  }, async () => {
    const { engine, make } = await setUp()
    const { supervisor, healthy, answer } = await supervise(make)
    await healthy()
    const first = await answer()
    engine.cut()
    for (const { child } of engine.running.values()) child?.kill('SIGKILL')
    await expect.poll(() => answer().catch(() => first), { timeout: 20_000 }).not.toBe(first)
    await supervisor.stop(5_000)
    await engine.close()
  })

  test('a later supervisor adopts running processes, and learns which are gone', {
    timeout: 20_000,
  }, async () => {
    const { engine, make } = await setUp()
    const exits: string[] = []
    const events: DriverEvents = { onExit: (process_) => exits.push(process_), onLost: () => undefined }
    const sleeper = () => ({
      ...planOf(0, '')(null, ''),
      command: [process.execPath, '-e', 'setInterval(() => undefined, 1000)'],
    })
    const driver = make(events, sleeper)
    driver.spawn('p1', 'cell')
    driver.spawn('p2', 'cell')
    await expect
      .poll(() => [...engine.running.values()].filter(({ state }) => state === 'running').length, {
        timeout: 10_000,
      })
      .toBe(2)
    const memory = driver.remember()
    driver.end()
    engine.running.get('kintsugi-r1-p1')?.child?.kill('SIGKILL')
    await expect
      .poll(() => [...engine.running.values()].filter(({ state }) => state === 'running').length)
      .toBe(1)
    const later = make(events, sleeper)
    expect(await later.resume(memory, ['p1', 'p2'])).toEqual(['p1'])
    later.kill('p2')
    await expect.poll(() => exits, { timeout: 10_000 }).toContain('p2')
    later.end()
    await engine.close()
  })
})

test('a container is restricted: read-only, no capabilities, a memory limit', async () => {
  const engine = new DockerEngine()
  const socketPath = join(folder, 'closed.sock')
  await engine.listenOn(socketPath)
  const exits: string[] = []
  const driver = new DockerDriver({
    socketPath,
    run: 'r2',
    planOf: (_unit, process_) => ({
      ...planOf(0, '')(null, process_),
      image: process_ === 'p2' ? 'missing' : 'kintsugi:test',
      command: [process.execPath, '-e', ''],
    }),
    onError: (message) => errors.push(message),
    onExit: (process_, cause) => exits.push(`${process_} ${describeExit(cause)}`),
    onLost: () => undefined,
  })
  driver.spawn('p1', 'cell')
  await expect.poll(() => exits).toEqual(['p1 exited with code 0'])
  driver.spawn('p2', 'cell')
  await expect.poll(() => exits).toHaveLength(2)
  expect(exits[1]).toContain('No such image')
  expect(engine.requests).toContain('POST /v1.43/containers/create?name=kintsugi-r2-p1')
  driver.end()
  await engine.close()
})
