/** A spare opens ports in advance; once it hosts services, those that none of them needs are closed. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { rpc } from '../src/localnet/rpc.ts'
import type { PortName } from '../src/ports/ports.ts'
import { ProcessLogs } from '../src/processes/logs/process-logs.ts'
import { files, type RunPlan } from '../src/processes/run/run-plan.ts'
import { PortSet } from '../src/processes/wiring/port-set.ts'
import { startTestChain, type TestChain } from './support/local-chain.ts'

const dataFolder = mkdtempSync(join(tmpdir(), 'kintsugi-ports-'))
let local: TestChain
beforeAll(async () => {
  local = await startTestChain()
  writeFileSync(files(dataFolder).manifest, JSON.stringify(local.market.manifest))
})
afterAll(async () => {
  await local.stop()
  rmSync(dataFolder, { recursive: true, force: true })
})

/** Ports of a spare that follows the market and the loans. */
async function sparePorts() {
  const logs = new ProcessLogs({ folder: dataFolder, level: 'error', process: 'p1', pid: 1, now: Date.now })
  const plan = {
    dataFolder,
    mode: 'local',
    chainPort: Number(new URL(local.url).port),
    external: { chain: false },
    settings: { requestTimeoutMs: 5_000, batchSize: 100 },
  } as RunPlan
  const ports = new PortSet({ plan, log: logs.own, logs }, new AbortController().signal)
  const [market, chain] = await Promise.all([ports.open('market'), ports.open('chain'), ports.open('loans')])
  await expect.poll(() => chain.link).toBe('connected')
  return { ports, market, chain }
}

const needs = (...names: PortName[]) => new Set(names)

test('without a service that needs the market, its replica and its connection end; opened again they are new', async () => {
  const { ports, market, chain } = await sparePorts()
  await ports.keepOnly(needs('bus', 'ledger'))
  await expect.poll(() => chain.link).toBe('disconnected')
  const before = market.head.number
  const again = await ports.open('market')
  expect(again).not.toBe(market)
  await rpc(local.url, 'evm_mine')
  await expect.poll(() => again.head.number).toBeGreaterThan(before)
  expect(market.head.number).toBe(before)
  await ports.close()
})

test.for(['market', 'loans'] as const)(
  'a service that needs the %s keeps what it is made of',
  async (need) => {
    const { ports, market, chain } = await sparePorts()
    await ports.keepOnly(needs(need))
    expect(await ports.open('market')).toBe(market)
    const before = market.head.number
    await rpc(local.url, 'evm_mine')
    await expect.poll(() => market.head.number).toBeGreaterThan(before)
    expect(chain.link).toBe('connected')
    await ports.close()
  },
)
