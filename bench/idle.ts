/**
 * The CPU that a fleet needs that only trades: by process, over some seconds, all threads together.
 * node bench/idle.ts [seconds, default 60] [port offset, default 10000]
 */
import { readdirSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { Fleet, processesOf } from '../test/support/fleet.ts'
import { sleep } from './recovery.ts'

const [seconds = 60, offset = 10_000] = process.argv.slice(2).map(Number)
/** After this time everything is warm. */
const SETTLE_MS = 30_000
const TICKS_PER_SECOND = 100
const fleet = new Fleet(offset)

/** Processor seconds of a process and of the children that it has waited for. */
function cpuSeconds(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat
      .slice(stat.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    return fields.slice(11, 15).reduce((sum, ticks) => sum + ticks, 0) / TICKS_PER_SECOND
  } catch {
    return 0
  }
}

/** The fleet's processes by pid, each with a name: its unit, its program, or its parent's. */
async function names(): Promise<Map<number, string>> {
  const status = await fleet.status()
  const units = new Map(
    Object.values({ ...status.main, ...status.agents, ...status.servers, ...status.infrastructure }).flatMap(
      ({ pid, cell }) => (pid === null ? [] : [[pid, cell] as const]),
    ),
  )
  const found = new Map<number, string>()
  for (const line of processesOf(fleet.data)) {
    const [pid, ...command] = line.split(' ')
    const script = command
      .find((part) => /\.(ts|js|mjs)$/.test(part))
      ?.split('/')
      .at(-1)
    found.set(Number(pid), units.get(Number(pid)) ?? script ?? (command[0]?.split('/').at(-1) || '?'))
  }
  // PostgreSQL's children do not name the data folder.
  for (let grown = true; grown; ) {
    grown = false
    for (const pid of readdirSync('/proc')
      .filter((name) => /^\d+$/.test(name))
      .map(Number)) {
      const parent = Number(/^PPid:\s+(\d+)/m.exec(readText(`/proc/${pid}/status`))?.[1] ?? 0)
      const name = found.get(parent)
      if (found.has(pid) || name === undefined || pid === process.pid) continue
      found.set(pid, name)
      grown = true
    }
  }
  return found
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

try {
  await fleet.start(120_000)
  await sleep(SETTLE_MS)
  const found = await names()
  const before = new Map([...found.keys()].map((pid) => [pid, cpuSeconds(pid)]))
  const [trades, started] = [(await fleet.trades()).length, performance.now()]
  await sleep(seconds * 1_000)
  const took = (performance.now() - started) / 1_000
  const shares = new Map<string, number>()
  for (const [pid, name] of found)
    shares.set(name, (shares.get(name) ?? 0) + (cpuSeconds(pid) - (before.get(pid) ?? 0)) / took)
  const total = [...shares.values()].reduce((sum, share) => sum + share, 0)
  console.log(
    `machine: ${availableParallelism()} cores, Node ${process.version}; ${took.toFixed(0)} s, ${(await fleet.trades()).length - trades} trades\n`,
  )
  console.log('| process | share of one core |\n|---|---|')
  for (const [name, share] of [...shares].sort((a, b) => b[1] - a[1]))
    console.log(`| ${name} | ${(share * 100).toFixed(1)} % |`)
  console.log(`| all | ${(total * 100).toFixed(1)} % |`)
} finally {
  await fleet.dispose()
}
