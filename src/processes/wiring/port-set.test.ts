/** For what the market of a process waits, and how long a process leaves a block to others. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, describe, expect, test, vi } from 'vitest'
import { ProcessLogs } from '../logs/process-logs.ts'
import { files, type RunPlan } from '../run/run-plan.ts'
import { PortSet } from './port-set.ts'

const dataFolder = mkdtempSync(join(tmpdir(), 'kintsugi-port-set-'))
const cleanUp: (() => unknown)[] = []
afterEach(async () => {
  for (const end of cleanUp.splice(0)) await end()
  rmSync(files(dataFolder).manifest, { force: true })
})
afterAll(() => rmSync(dataFolder, { recursive: true, force: true }))

/** The ports of a process whose chain is not there. */
function newPorts(readDelayMs?: number): PortSet {
  const logs = new ProcessLogs({ folder: dataFolder, level: 'error', process: 'p1', pid: 1, now: Date.now })
  const plan = {
    dataFolder,
    mode: 'local',
    // No process of a user listens there.
    chainPort: 1,
    external: { chain: false },
    settings: { requestTimeoutMs: 100, batchSize: 100 },
  } as RunPlan
  const ending = new AbortController()
  const ports = new PortSet({ plan, log: logs.own, logs }, ending.signal, readDelayMs)
  cleanUp.push(() => {
    ending.abort()
    return ports.close()
  })
  return ports
}

/** Opens the market, which waits. */
function openMarket(ports: PortSet): void {
  const opening = ports.open('market').catch(() => undefined)
  cleanUp.push(() => opening)
}

describe('a market that cannot be read yet', () => {
  const NOT_BUILT = 'the market cannot be read yet: it is not built yet'

  test('without a manifest it is not built yet; an unreadable manifest is named as it is', async () => {
    const ports = newPorts()
    openMarket(ports)
    await vi.waitFor(() => expect(ports.waiting.get('market')).toBe(NOT_BUILT))
    writeFileSync(files(dataFolder).manifest, '{')
    const unreadable = /^the market cannot be read yet: .*JSON/
    await vi.waitFor(() => expect(ports.waiting.get('market')).toMatch(unreadable))
  })

  test('it waits for what the supervisor names, until that is there', async () => {
    const ports = newPorts()
    openMarket(ports)
    await vi.waitFor(() => expect(ports.waiting.has('market')).toBe(true))
    expect(ports.outageOf(['market'])).toBeUndefined()
    ports.setOutages({ ports: {}, market: 'waits for discovery: x' })
    expect(ports.outageOf(['market'])).toBe('waits for discovery: x')
    expect(ports.outageOf(['ledger', 'market'])).toBe('waits for discovery: x')
    expect(ports.outageOf(['ledger'])).toBeUndefined()
    // What the market itself is behind comes first.
    ports.setOutages({ ports: { market: 'waits for polygon: y' }, market: 'waits for discovery: x' })
    expect(ports.outageOf(['market'])).toBe('waits for polygon: y')
    const recovered = vi.fn()
    const recovery = ports.recovered(['market']).then(recovered)
    ports.setOutages({ ports: {}, market: 'waits for discovery: x' })
    await new Promise(setImmediate)
    expect(recovered).not.toHaveBeenCalled()
    ports.setOutages({ ports: {}, market: null })
    await recovery
    expect(ports.outageOf(['market'])).toBeUndefined()
  })

  test('a market that does not wait here is not out because discovery is', () => {
    const ports = newPorts()
    ports.setOutages({ ports: {}, market: 'waits for discovery: x' })
    expect(ports.outageOf(['market'])).toBeUndefined()
  })
})

describe('how long a process leaves a block to others', () => {
  test.each([
    ['none', {}, 60],
    ['urgent', { urgent: true }, 0],
    ['overloaded', { overloaded: true }, 5_000],
    ['standby', { standby: true }, 10_000],
    ['urgent and overloaded', { urgent: true, overloaded: true }, 5_000],
    ['all', { urgent: true, overloaded: true, standby: true }, 10_000],
  ])('%s', (_pace, pace, delayMs) => {
    const ports = newPorts()
    Object.assign(ports.pace, pace)
    expect(ports.readDelayMs).toBe(delayMs)
  })

  test('a process may have a delay of its own; urgent it reads at once', () => {
    const ports = newPorts(7)
    expect(ports.readDelayMs).toBe(7)
    ports.pace.urgent = true
    expect(ports.readDelayMs).toBe(0)
  })
})
