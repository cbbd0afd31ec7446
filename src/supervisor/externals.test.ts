import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { ProbeFailure } from '../adapters/surroundings/probe.ts'
import type { Incident } from '../ports/fleet.ts'
import { type ExternalPlan, Externals } from './externals.ts'

const START = 1_700_000_000_000
beforeEach(() => void vi.useFakeTimers({ now: START }))
afterEach(() => void vi.useRealTimers())

/** An external service whose answers a test decides: well, failing with a reason, or silent until the deadline. */
function scripted(id: string, ports: ExternalPlan['ports']) {
  const service = { state: 'well' as 'well' | 'silent' | (string & {}), asked: 0 }
  const plan: ExternalPlan = {
    id,
    title: `${id} (SETTING)`,
    ports,
    intervalMs: 1_000,
    probe: {
      ask: async (deadlineMs) => {
        service.asked++
        if (service.state === 'well') return 'well'
        if (service.state === 'silent') await new Promise((resolve) => setTimeout(resolve, deadlineMs))
        throw new ProbeFailure(service.state, 'mend it')
      },
      close: () => undefined,
    },
  }
  return { service, plan }
}

function watch(...plans: ExternalPlan[]) {
  const incidents: Incident[] = []
  let changes = 0
  const externals = new Externals({
    plans,
    now: Date.now,
    onIncident: (incident) => incidents.push(incident),
    onChange: () => changes++,
  })
  externals.start()
  return { externals, incidents, changes: () => changes }
}
/** Advances until the service is shown as out or well; returns the ms. */
async function until(what: () => boolean): Promise<number> {
  const from = Date.now()
  while (!what()) {
    if (Date.now() - from > 60_000) throw new Error('not within a minute')
    await vi.advanceTimersByTimeAsync(10)
  }
  return Date.now() - from
}

describe('an external service', () => {
  test.each(['nothing listens', 'silent'])(
    'that is lost (%s) is shown within 5 s, and its return within 2 s',
    async (state) => {
      const { service, plan } = scripted('redis', ['bus'])
      const { externals, incidents } = watch(plan)
      await vi.advanceTimersByTimeAsync(1)
      expect(externals.statuses()).toMatchObject([{ id: 'redis', kind: 'infrastructure', status: 'healthy' }])
      expect(externals.outages()).toEqual({})
      // The worst moment: right after a probe.
      await until(() => service.asked > 3)
      service.state = state
      const shownMs = await until(() => externals.outages()?.bus !== undefined)
      expect(shownMs).toBeLessThan(5_000)
      expect(externals.outages()).toEqual({ bus: `waits for redis: ${state}; mend it` })
      expect(externals.statuses()).toMatchObject([
        { status: 'degraded', detail: `${state}; mend it`, since: null },
      ])
      await vi.advanceTimersByTimeAsync(30_000)
      service.state = 'well'
      expect(await until(() => externals.outages()?.bus === undefined)).toBeLessThan(2_000)
      expect(incidents.map(({ kind }) => kind)).toEqual(['external-lost', 'external-back'])
      expect(incidents[1]?.durationMs).toBeGreaterThan(30_000)
      externals.stop()
    },
  )

  test('one failed probe is no outage', async () => {
    const { service, plan } = scripted('redis', ['bus'])
    const { externals, incidents } = watch(plan)
    await vi.advanceTimersByTimeAsync(10)
    service.state = 'closed the connection'
    const asked = service.asked
    await until(() => service.asked > asked)
    service.state = 'well'
    await vi.advanceTimersByTimeAsync(10_000)
    expect([externals.outages(), incidents]).toEqual([{}, []])
    externals.stop()
  })

  test('nothing is said before the first result', async () => {
    const { service, plan } = scripted('redis', ['bus'])
    service.state = 'silent'
    const { externals } = watch(plan)
    await vi.advanceTimersByTimeAsync(100)
    expect([externals.outages(), externals.statuses()[0]?.status]).toEqual([undefined, 'starting'])
    await vi.advanceTimersByTimeAsync(4_000)
    expect(externals.outages()).toEqual({ bus: 'waits for redis: silent; mend it' })
    externals.stop()
  })

  test('one failed probe is no outage, not even the first one', async () => {
    const { service, plan } = scripted('redis', ['bus'])
    service.state = 'away'
    const { externals, incidents } = watch(plan)
    await vi.advanceTimersByTimeAsync(100)
    expect(externals.statuses()[0]?.status).toBe('starting')
    service.state = 'well'
    await vi.advanceTimersByTimeAsync(1_000)
    expect([externals.statuses()[0]?.status, incidents]).toEqual(['healthy', []])
    externals.stop()
  })

  test('a port with two nodes behind it is out when both are', async () => {
    const [one, two] = [scripted('node-1', ['chain']), scripted('node-2', ['chain'])]
    const { externals } = watch(one.plan, two.plan)
    await vi.advanceTimersByTimeAsync(10)
    one.service.state = 'away'
    await vi.advanceTimersByTimeAsync(5_000)
    expect(externals.outages()).toEqual({})
    expect(externals.statuses().map(({ status }) => status)).toEqual(['degraded', 'healthy'])
    two.service.state = 'away'
    await vi.advanceTimersByTimeAsync(5_000)
    expect(externals.outages()).toEqual({ chain: 'waits for node-1: away; mend it' })
    externals.stop()
  })
})
