import { describe, expect, test } from 'vitest'
import { cellSpec, DrivenFleet, exitOf, infrastructureSpec } from '../../../test/support/driven-fleet.ts'
import { type FleetEvent, HEALING, isRunning, nextWake, type UnitSpec } from './state.ts'

describe('one unit', () => {
  test('another heap limit: a new process takes over, not a spare, and a restart keeps the limit', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    fleet.ready('a', 50)
    fleet.send({ type: 'settled' }, 100)
    fleet.tick(700)
    const spare = Object.keys(fleet.state.spares)[0] as string
    fleet.send({ type: 'loaded', process: spare }, 900)
    expect(fleet.send({ type: 'resize', unit: 'a', heapMb: 2_048, reason: 'full' }, 5_000)).toMatchObject([
      { type: 'incident', kind: 'restarted', detail: 'full' },
      { type: 'spawn', unit: 'a', heapMb: 2_048 },
      { type: 'host', unit: 'a', hold: true },
    ])
    expect(fleet.send({ type: 'resize', unit: 'a', heapMb: 2_048, reason: 'again' }, 5_010)).toEqual([])
    const successor = fleet.unit('a').successor?.process as string
    fleet.send(
      { type: 'health', process: successor, services: [{ id: 's', ready: false, held: true }] },
      5_500,
    )
    fleet.exit('a', 6_000)
    expect(fleet.process('a')).toBe(successor)
    fleet.ready('a', 6_100)
    const effects = fleet.exit('a', 20_000)
    expect(effects.find(({ type }) => type === 'spawn')).toMatchObject({ unit: 'a', heapMb: 2_048 })
    expect(fleet.state.spares[spare]).toBe(true)
    fleet.ready('a', 20_100)
    fleet.send({ type: 'resize', unit: 'a', heapMb: null, reason: 'empty' }, 30_000)
    expect(fleet.unit('a').successor?.process).toBe(spare)
  })

  test('a unit that fails after a while restarts at once', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    expect(fleet.effects.map((effect) => effect.type)).toEqual(['spawn', 'host'])
    expect(fleet.unit('a').state.status).toBe('starting')
    fleet.ready('a', 50)
    expect(fleet.unit('a').state.status).toBe('healthy')
    const before = fleet.process('a')
    fleet.exit('a', 5_000)
    expect(fleet.unit('a').state.status).toBe('starting')
    expect(fleet.process('a')).not.toBe(before)
    expect(fleet.unit('a').restarts).toBe(1)
  })

  test('a unit that keeps failing at its start: longer delays, quarantine with a stand-in, a trial, twice the quarantine', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    const waits: number[] = []
    while (fleet.unit('a').state.status !== 'quarantined') {
      fleet.exit('a', fleet.now + 10)
      const { state } = fleet.unit('a')
      if (state.status === 'backing-off') {
        waits.push(state.until - fleet.now)
        fleet.tick(state.until)
      }
    }
    expect(waits).toHaveLength(8)
    for (const [index, wait] of waits.entries()) {
      expect(wait).toBeGreaterThanOrEqual(80 * 2 ** index)
      expect(wait).toBeLessThanOrEqual(100 * 2 ** index)
    }
    expect(fleet.effects.at(-1)).toMatchObject({
      type: 'stand-in',
      services: ['s'],
      reason: 'exited with code 7',
    })
    const first = fleet.unit('a').state as { until: number }
    expect(first.until - fleet.now).toBe(HEALING.quarantineMs)
    expect(fleet.tick(first.until - 1)).toEqual([])
    expect(fleet.tick(first.until).map((effect) => effect.type)).toEqual([
      'incident',
      'kill',
      'spawn',
      'host',
    ])
    fleet.exit('a', fleet.now + 3_000)
    expect(fleet.unit('a').state).toMatchObject({
      status: 'quarantined',
      until: fleet.now + HEALING.quarantineMs * 2,
    })
    fleet.tick(fleet.now + HEALING.quarantineMs * 2)
    fleet.ready('a', fleet.now + 100)
    fleet.tick(fleet.now + HEALING.trialMs)
    expect(fleet.unit('a')).toMatchObject({ trials: 0, failures: [], state: { status: 'healthy' } })
  })

  test('AUTO_RESTART off: a failure is reported; the unit restarts on request only', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])], { ...HEALING, autoRestart: false })
    fleet.ready('a')
    fleet.exit('a', 9_000)
    fleet.tick(60_000)
    expect(fleet.unit('a').state).toMatchObject({
      status: 'stopped',
      detail: expect.stringContaining('AUTO_RESTART'),
    })
    fleet.send({ type: 'start', unit: 'a' })
    expect(fleet.unit('a').state.status).toBe('starting')
  })

  test('injected faults count toward no limit and cause no delay', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    for (let kill = 0; kill < 40; kill++) {
      fleet.ready('a')
      fleet.exit('a', fleet.now + 500, { calls: ['s'], deliberate: true })
      expect(fleet.unit('a').state.status).toBe('starting')
    }
    expect(fleet.unit('a').failures).toEqual([])
  })

  test('a cell that stays unhealthy with its dependencies available restarts, later each time', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    fleet.ready('a')
    const unwell = () =>
      fleet.send({
        type: 'health',
        process: fleet.process('a'),
        services: [{ id: 's', ready: false, reason: 'lost' }],
      })
    unwell()
    expect(fleet.unit('a').state).toMatchObject({ status: 'degraded', detail: 's: lost' })
    expect(fleet.tick(HEALING.unwellMs - 1)).toEqual([])
    fleet.tick(HEALING.unwellMs)
    expect(fleet.unit('a').state).toMatchObject({ status: 'stopping', next: 'start' })
    fleet.exit('a')
    const again = fleet.now
    expect(fleet.tick(again + HEALING.unwellMs)).toEqual([])
    fleet.tick(again + HEALING.unwellMs * 2)
    expect(fleet.unit('a').state.status).toBe('stopping')
  })
})

describe('a planned restart', () => {
  const planned = () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s', 't'])])
    fleet.ready('a', 3_000)
    const old = fleet.process('a')
    fleet.send({ type: 'restart', unit: 'a', reason: 'requested', cause: 'requested' })
    const { successor } = fleet.unit('a')
    return { fleet, old, successor: successor?.process as string }
  }
  const opened = (process: string): FleetEvent => ({
    type: 'health',
    process,
    services: [
      { id: 's', ready: true },
      { id: 't', ready: false, held: true },
    ],
  })

  test('the successor opens, the old process drains, then exclusive work begins', () => {
    const { fleet, old, successor } = planned()
    expect(fleet.effects.at(-1)).toMatchObject({ type: 'host', process: successor, hold: true })
    expect(fleet.unit('a').state).toMatchObject({ status: 'healthy', process: old })
    expect(fleet.send(opened(successor))).toEqual([{ type: 'drain', process: old }])
    expect(fleet.send({ type: 'released', process: old })).toEqual([{ type: 'begin', process: successor }])
    fleet.send(exitOf(old, { cause: { kind: 'exit', code: 0 } }))
    expect(fleet.unit('a')).toMatchObject({ failures: [], state: { status: 'starting', process: successor } })
    fleet.ready('a')
    expect(fleet.unit('a').state.status).toBe('healthy')
  })

  test('its cause, not its reason, decides the kind of the incident', () => {
    for (const [cause, kind] of [
      ['leak', 'leak'],
      ['requested', 'restarted'],
    ] as const) {
      const fleet = new DrivenFleet([cellSpec('a', ['s'])])
      fleet.ready('a')
      const effects = fleet.send({ type: 'restart', unit: 'a', reason: 'memory grows', cause })
      expect(effects).toContainEqual(
        expect.objectContaining({ type: 'incident', kind, detail: 'memory grows' }),
      )
    }
  })

  test('if the successor exits, the old process stays', () => {
    const { fleet, old, successor } = planned()
    fleet.send(exitOf(successor))
    expect(fleet.unit('a').state).toMatchObject({ status: 'healthy', process: old })
    expect(fleet.unit('a').successor).toBeUndefined()
  })

  test('if the old process exits meanwhile, the successor takes over at once', () => {
    const { fleet, old, successor } = planned()
    expect(fleet.send(exitOf(old, { cause: { kind: 'signal', signal: 'SIGKILL' } }))).toContainEqual({
      type: 'begin',
      process: successor,
    })
    expect(fleet.unit('a').state).toMatchObject({ status: 'starting', process: successor })
  })

  test('an old process that does not exit in time is killed', () => {
    const { fleet, old, successor } = planned()
    fleet.send(opened(successor))
    expect(fleet.tick(fleet.now + HEALING.graceMs)).toContainEqual({
      type: 'kill',
      process: old,
    })
  })
})

describe('isolation', () => {
  test('a service blamed twice is isolated; the others start without it; it returns to its cell when it is healthy', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s', 't', 'u'])])
    fleet.ready('a')
    fleet.exit('a', 5_000, { calls: ['t'] })
    expect(fleet.unit('a').spec.services).toEqual(['s', 't', 'u'])
    fleet.ready('a')
    fleet.exit('a', 10_000, { calls: ['t'] })
    expect(fleet.unit('a').spec.services).toEqual(['s', 'u'])
    expect(fleet.unit('t').spec).toMatchObject({ services: ['t'], home: 'a' })
    expect(fleet.incidents()).toContain('isolated')
    fleet.ready('a')
    fleet.ready('t')
    fleet.tick(fleet.now + HEALING.homeMs)
    expect(fleet.unit('t').state).toMatchObject({ status: 'stopping', next: 'home' })
    fleet.exit('t')
    expect(fleet.state.units.t).toBeUndefined()
    expect(fleet.unit('a').spec.services).toEqual(['s', 'u', 't'])
    expect(fleet.effects.at(-1)).toMatchObject({ type: 'host', unit: 'a', services: ['t'] })
  })

  test('several calls in flight blame no service: the cell is split in halves until the culprit is alone', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s', 't', 'u', 'v'])])
    for (let round = 0; round < 40; round++) {
      const guilty = Object.values(fleet.state.units).find(({ spec }) =>
        spec.services.includes('u'),
      ) as (typeof fleet.state.units)[string]
      if (guilty.spec.services.length === 1) break
      if (isRunning(guilty.state)) {
        fleet.ready(guilty.spec.id)
        fleet.exit(guilty.spec.id, fleet.now + 2_500, { calls: ['s', 'u'] })
      } else fleet.tick(fleet.now + 1_000)
    }
    const alone = Object.values(fleet.state.units).find(({ spec }) => spec.services.includes('u'))
    expect(alone?.spec.services).toEqual(['u'])
    expect(
      Object.values(fleet.state.units)
        .flatMap(({ spec }) => spec.services)
        .sort(),
    ).toEqual(['s', 't', 'u', 'v'])
  })
})

describe('dependencies', () => {
  const specs: UnitSpec[] = [
    infrastructureSpec('database'),
    cellSpec('a', ['s'], { after: ['database'] }),
    cellSpec('b', ['t'], { after: ['database'] }),
  ]
  test('dependants start after it, reconnect when it recovers, and restart only if they do not', () => {
    const fleet = new DrivenFleet(specs)
    expect(fleet.effects.filter((effect) => effect.type === 'host')).toEqual([])
    fleet.ready('database', 100)
    expect(fleet.effects.filter((effect) => effect.type === 'host')).toHaveLength(2)
    fleet.ready('a')
    fleet.ready('b')
    fleet.exit('database', 5_000)
    const lost = (id: string) =>
      fleet.send({
        type: 'health',
        process: fleet.process(id),
        services: [{ id: fleet.unit(id).spec.services[0] as string, ready: false, reason: 'no database' }],
      })
    lost('a')
    lost('b')
    expect(fleet.ready('database', 5_300).filter((effect) => effect.type === 'reconnect')).toHaveLength(2)
    fleet.ready('a', 5_400)
    fleet.tick(5_300 + HEALING.reconnectMs)
    expect(fleet.unit('a').state.status).toBe('healthy')
    expect(fleet.unit('b').state).toMatchObject({ status: 'stopping', next: 'start' })
    expect(fleet.incidents()).toContain('not-reconnected')
  })

  test('scaling: further instances start and stop, the first one stays', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s', 't'])])
    fleet.ready('a')
    fleet.send({ type: 'scale', service: 's', instances: 3 })
    expect(fleet.effects.filter((effect) => effect.type === 'host').slice(1)).toMatchObject([
      { unit: 's#2', instance: 2 },
      { unit: 's#3', instance: 3 },
    ])
    fleet.ready('s#2')
    fleet.ready('s#3')
    fleet.send({ type: 'scale', service: 's', instances: 1 })
    fleet.exit('s#2')
    fleet.exit('s#3')
    expect(Object.keys(fleet.state.units)).toEqual(['a'])
  })
})

describe("the fleet's time", () => {
  test('a cell that cannot start because the machine gives it no CPU is not restarted', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    const starting = fleet.process('a')
    for (let at = 1_000; at <= 600_000; at += 1_000) fleet.send({ type: 'tick', lostMs: 950 }, at)
    expect(fleet.process('a')).toBe(starting)
    expect(fleet.incidents()).toEqual([])
    // It had 30 s of these ten minutes: 30 s more, and its time is over.
    expect(nextWake(fleet.state, HEALING)).toBe(630_000)
    fleet.tick(629_999)
    expect(fleet.incidents()).toEqual([])
    fleet.tick(630_000)
    expect(fleet.incidents()).toEqual(['stayed-unwell'])
  })

  test('what people see is real time: the start of a process, and how long a failure lasted', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    fleet.ready('a', 50)
    fleet.send({ type: 'tick', lostMs: 8_000 }, 10_000)
    fleet.exit('a', 20_000)
    expect(fleet.unit('a')).toMatchObject({ startedAt: 20_000, state: { since: 12_000 } })
    fleet.send({ type: 'tick', lostMs: 9_000 }, 30_000)
    expect(fleet.ready('a', 32_000)).toMatchObject([{ kind: 'recovered', durationMs: 12_000 }])
  })
})
