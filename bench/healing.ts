/**
 * Recovery times of killed and hung services, in cells and isolated, compared with PM2 on the same services.
 * node bench/healing.ts [kills in cells, default 400] [kills isolated, default 100] [stops, default 30] [kills under PM2, default 60]
 */
import { execFileSync, spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { files, type RunPlan, readPlan, socketPath } from '../src/processes/run/run-plan.ts'
import { type FromChild, jsonLines } from '../src/supervisor/links/protocol.ts'
import { Fleet, settled } from '../test/support/fleet.ts'
import { cellsOf, injectAndWait, ms, quantile, recovered, sleep } from './recovery.ts'

const [killsInCells = 400, killsIsolated = 100, stops = 30, killsUnderPm2 = 60] = process.argv
  .slice(2)
  .map(Number)
const root = join(import.meta.dirname, '..')
/** Prints one row; nothing where nothing was measured. */
function row(name: string, times: readonly number[]): void {
  if (times.length === 0) return
  const [median, p95, p99] = [0.5, 0.95, 0.99].map((q) => ms(quantile(times, q)))
  console.log(`| ${name} | ${times.length} | ${median} | ${p95} | ${p99} | ${ms(Math.max(...times))} |`)
}
/** Pause between two failures, in ms. */
const BETWEEN_MS = 200
/** Cells that PM2 also runs; a second executor would trade twice. */
const COMPARED = ['trading', 'infrastructure', 'analytics', 'development', 'coordination', 'dashboard']

async function killAll(
  fleet: Fleet,
  plan: RunPlan,
  count: number,
  kind: 'kill' | 'stop',
  only?: readonly string[],
): Promise<Map<string, number[]>> {
  const control = socketPath(fleet.data, 'control')
  const target = { portOf: (service: string) => plan.ports[service] as number }
  const times = new Map<string, number[]>()
  for (let done = 0; done < count; ) {
    for (const [cell, services] of await cellsOf(control)) {
      if (done >= count || (only && !only.includes(cell))) continue
      await settled(control)
      await sleep(BETWEEN_MS)
      const took = await injectAndWait(
        control,
        target,
        cell,
        services.map(({ id }) => id),
        { kind },
      )
      times.set(cell, [...(times.get(cell) ?? []), took])
      done++
    }
  }
  return times
}

const all = (times: Map<string, number[]>) => [...times.values()].flat()

console.log(`machine: ${availableParallelism()} cores, Node ${process.version}\n`)
console.log('| what | times | median | p95 | p99 | worst |\n|---|---|---|---|---|---|')
const fleet = new Fleet(10_000)
let pm2Folder: string | undefined
try {
  await fleet.start(60_000)
  const plan = readPlan(fleet.data)
  await sleep(3_000)
  const killed = await killAll(fleet, plan, killsInCells, 'kill')
  row('killed, in cells: all', all(killed))
  for (const [cell, times] of killed)
    row(
      `killed, in cells: ${cell} (${plan.cells.find(({ id }) => id === cell)?.services.length} services)`,
      times,
    )
  row('hung (SIGSTOP), in cells', all(await killAll(fleet, plan, Math.ceil((stops * 2) / 3), 'stop')))
  if (killsUnderPm2 > 0) {
    const ours = [...killed].filter(([cell]) => COMPARED.includes(cell)).flatMap(([, times]) => times)
    const compared = await underPm2(fleet, plan, killsUnderPm2)
    row('the cells that PM2 runs too, killed, ours', ours)
    row('the same cells under PM2, killed', compared)
  }
} finally {
  if (pm2Folder) endPm2(pm2Folder)
  await fleet.dispose()
}
if (killsIsolated > 0) {
  const isolated = new Fleet(10_000, ['--isolation', 'process'])
  try {
    await isolated.start(120_000)
    const plan = readPlan(isolated.data)
    await sleep(5_000)
    row(
      'killed, isolated: each service in a process of its own',
      all(await killAll(isolated, plan, killsIsolated, 'kill')),
    )
    row('hung (SIGSTOP), isolated', all(await killAll(isolated, plan, Math.floor(stops / 3), 'stop')))
  } finally {
    await isolated.dispose()
  }
}

/**
 * The same cells, from the same bundle, on the same database, hub and chain, under PM2. Each binds its ports
 * itself and gets its services from a small stand-in for the supervisor. PM2 is installed for the run, as its
 * licence excludes a dependency.
 */
async function underPm2(fleet: Fleet, plan: RunPlan, count: number): Promise<number[]> {
  const folder = mkdtempSync(join(tmpdir(), 'kintsugi-pm2-'))
  pm2Folder = folder
  execFileSync('npm', ['install', '--prefix', folder, '--no-audit', '--no-fund', 'pm2@7.0.4'], {
    stdio: 'ignore',
  })
  const data = join(folder, 'data')
  mkdirSync(join(data, 'logs'), { recursive: true })
  const ports = Object.fromEntries(Object.entries(plan.ports).map(([id, port]) => [id, port + 1_500]))
  const cells = plan.cells.filter(({ id }) => COMPARED.includes(id))
  writeFileSync(
    files(data).plan,
    JSON.stringify({ ...plan, dataFolder: data, ports, cells, owner: undefined }),
  )
  for (const name of ['chain.json', 'token', 'postgres.password', 'accounts.json'])
    if (existsSync(join(fleet.data, name))) symlinkSync(join(fleet.data, name), join(data, name))
  symlinkSync(socketPath(fleet.data, 'hub'), socketPath(data, 'hub'))
  symlinkSync(socketPath(fleet.data, 'control'), socketPath(data, 'control'))
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    const hear = jsonLines<FromChild>((message) => {
      if (message.type !== 'hello') return
      const services =
        cells.find(({ id }) => id === message.process)?.services.map((id) => ({ id, fd: null })) ?? []
      socket.write(`${JSON.stringify({ type: 'host', unit: message.process, services, hold: false })}\n`)
    })
    socket.on('data', (chunk) => hear(String(chunk)))
  })
  await new Promise<void>((resolve) => server.listen(socketPath(data, 'supervisor'), resolve))
  const pm2 = (...args: string[]) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn(process.execPath, [join(folder, 'node_modules/pm2/bin/pm2'), ...args], {
        env: { ...process.env, PM2_HOME: join(folder, 'pm2') },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      child.on('exit', (code) => (code === 0 ? resolve(text) : reject(new Error(text))))
    })
  const apps = cells.map(({ id }) => ({
    name: id,
    script: join(root, 'dist/cell.js'),
    interpreter: process.execPath,
    env: {
      KINTSUGI_DATA: data,
      KINTSUGI_PROCESS: id,
      NODE_ENV: 'production',
      NODE_COMPILE_CACHE: join(fleet.data, 'compile-cache'),
    },
    min_uptime: 0,
    max_restarts: 1_000_000,
  }))
  writeFileSync(join(folder, 'apps.json'), JSON.stringify({ apps }))
  await pm2('start', join(folder, 'apps.json'))
  const target = { portOf: (service: string) => ports[service] as number }
  for (const { services } of cells) await recovered(target, services)
  const times: number[] = []
  while (times.length < count) {
    for (const { id, services } of cells) {
      if (times.length >= count) break
      await sleep(BETWEEN_MS * 5)
      const pid = pidOf(data, id)
      process.kill(pid, 'SIGKILL')
      times.push(await recovered(target, services))
    }
  }
  endPm2(folder)
  pm2Folder = undefined
  server.close()
  return times
}

function pidOf(data: string, cell: string): number {
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const env = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0')
      if (
        env.includes(`KINTSUGI_DATA=${data}`) &&
        env.includes(`KINTSUGI_PROCESS=${cell}`) &&
        !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z')
      )
        return Number(pid)
    } catch {
      // The process has ended.
    }
  }
  throw new Error(`${cell} does not run under PM2`)
}

function endPm2(folder: string): void {
  try {
    execFileSync(process.execPath, [join(folder, 'node_modules/pm2/bin/pm2'), 'kill'], {
      env: { ...process.env, PM2_HOME: join(folder, 'pm2') },
      stdio: 'ignore',
    })
  } catch {
    // The process did not start.
  }
  rmSync(folder, { recursive: true, force: true })
}
