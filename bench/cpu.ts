/** The CPU time of a fleet's processes, by name. */
import { readdirSync, readFileSync } from 'node:fs'
import { type Fleet, processesOf } from '../test/support/fleet.ts'

const TICKS_PER_SECOND = 100

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
async function names(fleet: Fleet): Promise<Map<number, string>> {
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

/** Begins to measure; the returned function ends it with the shares of one core, largest first, and their sum. */
export async function measureCpu(fleet: Fleet): Promise<() => [name: string, share: number][]> {
  const found = await names(fleet)
  const before = new Map([...found.keys()].map((pid) => [pid, cpuSeconds(pid)]))
  const started = performance.now()
  return () => {
    const took = (performance.now() - started) / 1_000
    const shares = new Map<string, number>()
    for (const [pid, name] of found)
      shares.set(name, (shares.get(name) ?? 0) + (cpuSeconds(pid) - (before.get(pid) ?? 0)) / took)
    const total = [...shares.values()].reduce((sum, share) => sum + share, 0)
    return [...[...shares].sort((a, b) => b[1] - a[1]), ['all', total]]
  }
}
