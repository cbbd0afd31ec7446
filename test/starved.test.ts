/** A fleet beside programs that want all of the machine: nothing is replaced, every read is answered, trading pauses. */
import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { askSupervisor } from '../src/adapters/fleet/control-client.ts'
import type { OpportunityView } from '../src/gateway/api/schema.ts'
import { socketPath } from '../src/processes/run/run-plan.ts'
import { BusyPrograms, REPLACEMENTS } from './support/busy-programs.ts'
import { Fleet } from './support/fleet.ts'

/** Beside so many busy programs for each core, the fleet waits for most of its time. */
const LOOPS_PER_CORE = 24
/** Beside so many it starts, and trades on. */
const LOOPS_AT_START = 8
const KILLS = 3
const START_MS = 120_000
const READS_PER_SECOND = 20
/** Clients wait this long for an answer. */
const DEADLINE_MS = 30_000
/** The average of lost time has begun and ended by then. */
const BEGUN_MS = 60_000
const POLL = { timeout: BEGUN_MS, interval: 500 }
const OVER_MS = 10_000
/** Every process has been told by then, and what was decided before is in the books. */
const TOLD_MS = 10_000

const fleet = new Fleet(20_000, ['--block-seconds', '1'])
const busy = new BusyPrograms()
const startLoops = (perCore: number) => busy.start(perCore * availableParallelism())
beforeAll(async () => {
  startLoops(LOOPS_AT_START)
  await fleet.start(START_MS)
  busy.end()
}, START_MS)
afterAll(async () => {
  busy.end()
  await fleet.dispose()
})

/** The session of a process: the fourth field of `/proc/PID/stat` after the name. */
const sessionOf = (pid: number): number => {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[3])
}

async function services() {
  const { main, agents, servers, infrastructure } = await fleet.status()
  return Object.entries({ ...main, ...agents, ...servers, ...infrastructure })
}

/** Incidents that replace or separate processes; nothing fails here by itself. */
async function replacements(): Promise<string[]> {
  const found = (await askSupervisor(socketPath(fleet.data, 'control'), { op: 'incidents' })) ?? []
  return found
    .filter(({ kind }) => REPLACEMENTS.has(kind))
    .map(({ unit, kind, detail }) => `${unit} ${kind} ${detail}`)
}

const pids = async () => Object.fromEntries((await services()).map(([id, { pid }]) => [id, pid]))

const decisions = async () =>
  (
    await fleet.get<{ opportunities: Pick<OpportunityView, 'decidedAt' | 'outcome'>[] }>(
      8000,
      '/opportunities?limit=100',
    )
  ).opportunities

/** `answered`, `later`, or what went wrong. */
async function read(id: number): Promise<string> {
  try {
    const response = await fetch(fleet.url(8000, '/mcp'), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
      },
      body: JSON.stringify({
        jsonrpc: '2.0',
        id,
        method: 'tools/call',
        params: { name: 'mcp_coordinator_server__list_tasks', arguments: { limit: 1 } },
      }),
      signal: AbortSignal.timeout(DEADLINE_MS),
    })
    const text = await response.text()
    if (text.includes('"overloaded"') && text.includes('"later"')) return 'later'
    return response.ok && text.includes('"structuredContent"') && !text.includes('"isError":true')
      ? 'answered'
      : text
  } catch (error) {
    return String(error)
  }
}

test('a fleet that starts beside busy programs replaces nothing', async () => {
  expect(await replacements()).toEqual([])
})

test('each process is a session of its own, so that Linux gives it its own share', async () => {
  // The chain's node is a child of `localnet`, and belongs to its session.
  const { chain: _, ...found } = await pids()
  const cells = new Set(Object.values(found).filter((pid) => pid !== null))
  expect(cells.size).toBeGreaterThan(10)
  for (const pid of cells) expect(sessionOf(pid), String(pid)).toBe(pid)
})

test('beside busy programs nothing is replaced or lost, and trading pauses', {
  timeout: 180_000,
}, async () => {
  const before = await pids()
  startLoops(LOOPS_PER_CORE)
  const reads: Promise<string>[] = []
  let reading = true
  const reader = (async () => {
    for (; reading; await sleep(1_000 / READS_PER_SECOND)) reads.push(read(reads.length))
  })()
  const overload = async () => (await fleet.status()).overload
  try {
    let began: { since: number; detail: string } | null | undefined
    await expect
      .poll(async () => (began = await overload())?.detail, POLL)
      .toMatch(/^processes wait for a CPU \d+ % of the time \(load /)
    const told = (began as unknown as { since: number }).since + TOLD_MS
    let decided: Awaited<ReturnType<typeof decisions>> = []
    await expect
      .poll(async () => {
        decided = (await decisions()).filter(({ decidedAt }) => decidedAt > told)
        return decided.length
      }, POLL)
      .toBeGreaterThan(0)
    // What would be traded pauses.
    expect(decided.filter(({ outcome }) => outcome.stage === 'sent')).toEqual([])
  } finally {
    busy.end()
    reading = false
  }
  await reader
  const answers = await Promise.all(reads)
  expect(answers.filter((answer) => answer !== 'answered' && answer !== 'later')).toEqual([])
  expect(reads.length).toBeGreaterThan(100)
  await expect.poll(overload, { timeout: OVER_MS, interval: 200 }).toBeNull()
  const after = await services()
  expect(after.filter(([, { status }]) => status !== 'healthy')).toEqual([])
  expect(await pids()).toEqual(before)
  expect(await replacements()).toEqual([])
})

test('trading goes on afterwards', async () => {
  const { length } = await fleet.trades()
  await expect.poll(async () => (await fleet.trades()).length, { timeout: 40_000 }).toBeGreaterThan(length)
})

test('an executor killed beside busy programs settles what it sent', { timeout: 120_000 }, async () => {
  startLoops(LOOPS_AT_START)
  for (let kill = 0; kill < KILLS; kill++) {
    const { length } = await fleet.trades()
    await fleet.until('a trade', async () => (await fleet.trades()).length > length, BEGUN_MS)
    const pid = (await pids()).transaction_executor as number
    process.kill(pid, 'SIGKILL')
    await fleet.until(
      'a new executor',
      async () => {
        const { transaction_executor: executor } = (await fleet.status()).agents
        return executor?.pid !== pid && executor?.status === 'healthy'
      },
      BEGUN_MS,
    )
  }
  busy.end()
  // A transaction that never ends would hold back all later ones: nonces are in order.
  const { length } = await fleet.trades()
  await fleet.until('trades go on', async () => (await fleet.trades()).length > length, BEGUN_MS)
  const found = (await askSupervisor(socketPath(fleet.data, 'control'), { op: 'incidents' })) ?? []
  expect(found.filter(({ kind }) => kind === 'transaction-stuck')).toEqual([])
})
