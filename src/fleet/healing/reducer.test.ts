import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SIMULATED_FLEET, simulate } from '../simulation/simulator.ts'
import { isOverdue } from './heartbeat.ts'
import { nextFleet } from './reducer.ts'
import {
  type FleetEffect,
  type FleetEvent,
  type FleetState,
  HEALING,
  type HealingPolicy,
  initialFleet,
  isRunning,
  nextWake,
  type UnitSpec,
} from './state.ts'

const cell = (id: string, services: readonly string[], extra: Partial<UnitSpec> = {}): UnitSpec => ({
  id,
  kind: 'cell',
  services,
  after: [],
  fromSpare: true,
  ...extra,
})

/** A fleet driven by hand: effects are collected, processes do what the test says. */
function drive(specs: readonly UnitSpec[], policy: HealingPolicy = HEALING) {
  let state: FleetState = initialFleet(specs, 1)
  let now = 0
  const effects: FleetEffect[] = []
  const driven = {
    get state() {
      return state
    },
    get now() {
      return now
    },
    effects,
    send(event: FleetEvent, at = now) {
      now = at
      const step = nextFleet(state, event, now, policy)
      state = step.state
      effects.push(...step.effects)
      return step.effects
    },
    unit: (id: string) => {
      const unit = state.units[id]
      if (!unit) throw new Error(`no ${id}`)
      return unit
    },
    process: (id: string) => (driven.unit(id).state as { process: string }).process,
    ready(id: string, at = now) {
      const { spec } = driven.unit(id)
      const services = spec.kind === 'cell' ? spec.services : [id]
      return driven.send(
        {
          type: 'health',
          process: driven.process(id),
          services: services.map((service) => ({ id: service, ready: true })),
        },
        at,
      )
    },
    exit(id: string, at = now, suspects: string[] = [], meant = false) {
      return driven.send(
        { type: 'exited', process: driven.process(id), detail: 'ended with code 7', suspects, meant },
        at,
      )
    },
    kinds: () =>
      effects
        .filter((effect) => effect.type === 'incident')
        .map((effect) => (effect as { kind: string }).kind),
  }
  driven.send({ type: 'tick' })
  return driven
}

describe('one unit', () => {
  test('another limit of its heap: a process of its own takes over, no spare, and it keeps the limit when it fails', () => {
    const fleet = drive([cell('a', ['s'])])
    fleet.ready('a', 50)
    fleet.send({ type: 'settled' }, 100)
    fleet.send({ type: 'tick' }, 700)
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

  test('started, healthy, killed after a while: started again at once', () => {
    const fleet = drive([cell('a', ['s'])])
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

  test('one that dies at once waits longer each time, is set aside with a stand-in, tried again, and waits twice as long after a trial that failed', () => {
    const fleet = drive([cell('a', ['s'])])
    const waits: number[] = []
    while (fleet.unit('a').state.status !== 'quarantined') {
      fleet.exit('a', fleet.now + 10)
      const { state } = fleet.unit('a')
      if (state.status === 'backing-off') {
        waits.push(state.until - fleet.now)
        fleet.send({ type: 'tick' }, state.until)
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
      reason: 'ended with code 7',
    })
    const first = fleet.unit('a').state as { until: number }
    expect(first.until - fleet.now).toBe(HEALING.quarantineMs)
    expect(fleet.send({ type: 'tick' }, first.until - 1)).toEqual([])
    expect(fleet.send({ type: 'tick' }, first.until).map((effect) => effect.type)).toEqual([
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
    fleet.send({ type: 'tick' }, fleet.now + HEALING.quarantineMs * 2)
    fleet.ready('a', fleet.now + 100)
    fleet.send({ type: 'tick' }, fleet.now + HEALING.trialMs)
    expect(fleet.unit('a')).toMatchObject({ trials: 0, failures: [], state: { status: 'healthy' } })
  })

  test('AUTO_RESTART off: reported, not restarted, until somebody starts it', () => {
    const fleet = drive([cell('a', ['s'])], { ...HEALING, autoRestart: false })
    fleet.ready('a')
    fleet.exit('a', 9_000)
    fleet.send({ type: 'tick' }, 60_000)
    expect(fleet.unit('a').state).toMatchObject({
      status: 'stopped',
      detail: expect.stringContaining('AUTO_RESTART'),
    })
    fleet.send({ type: 'start', unit: 'a' })
    expect(fleet.unit('a').state.status).toBe('starting')
  })

  test('harm on purpose opens no breaker and waits for nothing', () => {
    const fleet = drive([cell('a', ['s'])])
    for (let kill = 0; kill < 40; kill++) {
      fleet.ready('a')
      fleet.exit('a', fleet.now + 500, ['s'], true)
      expect(fleet.unit('a').state.status).toBe('starting')
    }
    expect(fleet.unit('a').failures).toEqual([])
  })

  test('it stays unwell while all it needs is there: started anew, later each time', () => {
    const fleet = drive([cell('a', ['s'])])
    fleet.ready('a')
    const unwell = () =>
      fleet.send({
        type: 'health',
        process: fleet.process('a'),
        services: [{ id: 's', ready: false, reason: 'lost' }],
      })
    unwell()
    expect(fleet.unit('a').state).toMatchObject({ status: 'degraded', detail: 's: lost' })
    expect(fleet.send({ type: 'tick' }, HEALING.unwellMs - 1)).toEqual([])
    fleet.send({ type: 'tick' }, HEALING.unwellMs)
    expect(fleet.unit('a').state).toMatchObject({ status: 'stopping', next: 'start' })
    fleet.exit('a')
    const again = fleet.now
    expect(fleet.send({ type: 'tick' }, again + HEALING.unwellMs)).toEqual([])
    fleet.send({ type: 'tick' }, again + HEALING.unwellMs * 2)
    expect(fleet.unit('a').state.status).toBe('stopping')
  })
})

describe('a planned restart', () => {
  const planned = () => {
    const fleet = drive([cell('a', ['s', 't'])])
    fleet.ready('a', 3_000)
    const old = fleet.process('a')
    fleet.send({ type: 'restart', unit: 'a', reason: 'its memory grows' })
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

  test('the stand-in opens first, then the old one drains, then what only one may do begins', () => {
    const { fleet, old, successor } = planned()
    expect(fleet.effects.at(-1)).toMatchObject({ type: 'host', process: successor, hold: true })
    expect(fleet.unit('a').state).toMatchObject({ status: 'healthy', process: old })
    expect(fleet.send(opened(successor))).toEqual([{ type: 'drain', process: old }])
    expect(fleet.send({ type: 'released', process: old })).toEqual([{ type: 'begin', process: successor }])
    fleet.send({ type: 'exited', process: old, detail: 'ended with code 0', suspects: [], meant: false })
    expect(fleet.unit('a')).toMatchObject({ failures: [], state: { status: 'starting', process: successor } })
    fleet.ready('a')
    expect(fleet.unit('a').state.status).toBe('healthy')
  })

  test('a stand-in that dies leaves the old one where it is', () => {
    const { fleet, old, successor } = planned()
    fleet.send({
      type: 'exited',
      process: successor,
      detail: 'ended with code 1',
      suspects: [],
      meant: false,
    })
    expect(fleet.unit('a').state).toMatchObject({ status: 'healthy', process: old })
    expect(fleet.unit('a').successor).toBeUndefined()
  })

  test('an old one that dies meanwhile is succeeded at once', () => {
    const { fleet, old, successor } = planned()
    expect(
      fleet.send({ type: 'exited', process: old, detail: 'ended by SIGKILL', suspects: [], meant: false }),
    ).toContainEqual({ type: 'begin', process: successor })
    expect(fleet.unit('a').state).toMatchObject({ status: 'starting', process: successor })
  })

  test('an old one that will not end is killed', () => {
    const { fleet, old, successor } = planned()
    fleet.send(opened(successor))
    expect(fleet.send({ type: 'tick' }, fleet.now + HEALING.graceMs)).toContainEqual({
      type: 'kill',
      process: old,
    })
  })
})

describe('isolation', () => {
  test('a service caught twice gets a process of its own; the others start without it; it comes home when it behaves', () => {
    const fleet = drive([cell('a', ['s', 't', 'u'])])
    fleet.ready('a')
    fleet.exit('a', 5_000, ['t'])
    expect(fleet.unit('a').spec.services).toEqual(['s', 't', 'u'])
    fleet.ready('a')
    fleet.exit('a', 10_000, ['t'])
    expect(fleet.unit('a').spec.services).toEqual(['s', 'u'])
    expect(fleet.unit('t').spec).toMatchObject({ services: ['t'], home: 'a' })
    expect(fleet.kinds()).toContain('isolated')
    fleet.ready('a')
    fleet.ready('t')
    fleet.send({ type: 'tick' }, fleet.now + HEALING.homeMs)
    expect(fleet.unit('t').state).toMatchObject({ status: 'stopping', next: 'home' })
    fleet.exit('t')
    expect(fleet.state.units.t).toBeUndefined()
    expect(fleet.unit('a').spec.services).toEqual(['s', 'u', 't'])
    expect(fleet.effects.at(-1)).toMatchObject({ type: 'host', unit: 'a', services: ['t'] })
  })

  test('several calls running blame nobody: the cell is halved until the culprit is alone', () => {
    const fleet = drive([cell('a', ['s', 't', 'u', 'v'])])
    for (let round = 0; round < 40; round++) {
      const guilty = Object.values(fleet.state.units).find(({ spec }) =>
        spec.services.includes('u'),
      ) as (typeof fleet.state.units)[string]
      if (guilty.spec.services.length === 1) break
      if (isRunning(guilty.state)) {
        fleet.ready(guilty.spec.id)
        fleet.exit(guilty.spec.id, fleet.now + 2_500, ['s', 'u'])
      } else fleet.send({ type: 'tick' }, fleet.now + 1_000)
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

describe('what a unit stands on', () => {
  const specs: UnitSpec[] = [
    { id: 'database', kind: 'infrastructure', services: [], after: [], fromSpare: false },
    cell('a', ['s'], { after: ['database'] }),
    cell('b', ['t'], { after: ['database'] }),
  ]
  test('dependants start when it is up, are told when it is back, and restarted only if they do not find it again', () => {
    const fleet = drive(specs)
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
    fleet.send({ type: 'tick' }, 5_300 + HEALING.reconnectMs)
    expect(fleet.unit('a').state.status).toBe('healthy')
    expect(fleet.unit('b').state).toMatchObject({ status: 'stopping', next: 'start' })
    expect(fleet.kinds()).toContain('not-reconnected')
  })

  test('scaling: further instances come and go, the service itself stays', () => {
    const fleet = drive([cell('a', ['s', 't'])])
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

test('silence is a hang only beyond the deadline and our own lag', () => {
  expect(isOverdue({ lastBeat: 0, now: 2_500, lagMs: 0 })).toBe(false)
  expect(isOverdue({ lastBeat: 0, now: 2_501, lagMs: 0 })).toBe(true)
  expect(isOverdue({ lastBeat: 0, now: 12_000, lagMs: 10_000 })).toBe(false)
  expect(isOverdue({ lastBeat: 0, now: 10_000, lagMs: 0, first: true })).toBe(false)
})

test('whatever happens: no process is used twice, no service is lost, and calm brings back all that is wanted', () => {
  const specs = [
    { id: 'database', kind: 'infrastructure', services: [], after: [], fromSpare: false } as UnitSpec,
    cell('a', ['s', 't', 'u'], { after: ['database'], follows: ['database'] }),
    cell('b', ['v'], { after: ['database'] }),
  ]
  const event = fc.oneof(
    { weight: 5, arbitrary: fc.constant('tick') },
    { weight: 5, arbitrary: fc.constantFrom('ready', 'exit', 'loaded') },
    fc.constantFrom(
      'restart',
      'stop',
      'start',
      'isolate',
      'home',
      'scale',
      'unwell',
      'released',
      'hung',
      'replaced',
      'held',
    ),
  )
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), event, fc.nat(), fc.boolean()), {
        maxLength: 120,
      }),
      (script) => {
        const fleet = drive(specs)
        fleet.send({ type: 'settled' })
        for (const [wait, kind, pick, flag] of script) {
          const at = fleet.now + wait
          const units = Object.values(fleet.state.units)
          const unit = units[pick % units.length] as (typeof units)[number]
          const alive = [
            ...new Set(
              fleet.effects.filter((effect) => effect.type === 'spawn').map((effect) => effect.process),
            ),
          ]
          const process = alive[pick % alive.length] as string
          const service = ['s', 't', 'u', 'v'][pick % 4] as string
          if (kind === 'tick') fleet.send({ type: 'tick' }, at)
          else if (kind === 'ready' && isRunning(unit.state)) fleet.ready(unit.spec.id, at)
          else if (kind === 'exit')
            fleet.send(
              {
                type: 'exited',
                process,
                detail: 'ended',
                suspects: flag ? [service] : [],
                meant: pick % 5 === 0,
              },
              at,
            )
          else if (kind === 'loaded') fleet.send({ type: 'loaded', process }, at)
          else if (kind === 'restart')
            fleet.send({ type: 'restart', unit: unit.spec.id, reason: 'asked' }, at)
          else if (kind === 'stop') fleet.send({ type: 'stop', unit: unit.spec.id, reason: 'asked' }, at)
          else if (kind === 'start') fleet.send({ type: 'start', unit: unit.spec.id }, at)
          else if (kind === 'isolate') fleet.send({ type: 'isolate', service, reason: 'asked' }, at)
          else if (kind === 'home') fleet.send({ type: 'bring-home', service }, at)
          else if (kind === 'scale') fleet.send({ type: 'scale', service, instances: 1 + (pick % 3) }, at)
          else if (kind === 'released') fleet.send({ type: 'released', process }, at)
          else if (kind === 'hung') fleet.send({ type: 'hung', process, detail: 'silent' }, at)
          else if (kind === 'replaced') fleet.send({ type: 'dependency-replaced', unit: 'database' }, at)
          else if (kind === 'unwell')
            fleet.send(
              {
                type: 'health',
                process,
                services: unit.spec.services.map((id) => ({ id, ready: false, reason: 'unwell' })),
              },
              at,
            )
          else if (kind === 'held')
            fleet.send(
              {
                type: 'health',
                process,
                services: unit.spec.services.map((id) => ({ id, ready: flag, held: true })),
              },
              at,
            )
          const used = Object.values(fleet.state.units).flatMap((each) =>
            [
              'process' in each.state ? each.state.process : [],
              each.successor?.process ?? [],
              each.standIn ?? [],
            ].flat(),
          )
          expect(new Set(used).size).toBe(used.length)
          for (const spare of Object.keys(fleet.state.spares)) expect(used).not.toContain(spare)
          const services = Object.values(fleet.state.units).flatMap(({ spec }) =>
            spec.instance === undefined ? spec.services : [],
          )
          expect([...services].sort()).toEqual(['s', 't', 'u', 'v'])
          expect(nextWake(fleet.state, HEALING)).not.toBeNaN()
        }
        // Calm: whoever runs is well, whoever is to end ends. Then all that was not stopped on purpose is healthy.
        for (let round = 0; round < 60; round++) {
          for (const { spec, state, successor, standIn } of Object.values(fleet.state.units)) {
            if (successor)
              fleet.send({
                type: 'exited',
                process: successor.process,
                detail: 'ended',
                suspects: [],
                meant: true,
              })
            else if (isRunning(state)) fleet.ready(spec.id)
            else if (state.status === 'stopping') fleet.exit(spec.id)
            else if (standIn)
              fleet.send({ type: 'exited', process: standIn, detail: 'ended', suspects: [], meant: true })
          }
          fleet.send({ type: 'tick' }, fleet.now + HEALING.quarantineMostMs)
        }
        for (const { spec, state } of Object.values(fleet.state.units)) {
          const stoppedFor = spec.after.some((id) => fleet.state.units[id]?.state.status === 'stopped')
          if (state.status !== 'stopped' || (state.wanted && !stoppedFor))
            expect([spec.id, state.status === 'stopping' ? 'healthy' : state.status]).toEqual([
              spec.id,
              'healthy',
            ])
        }
      },
    ),
    { numRuns: 300 },
  )
})

describe('a fleet in virtual time', () => {
  test('hundreds of hours of every kind of trouble: nothing forbidden happens, and calm brings everything back', {
    timeout: 120_000,
  }, () => {
    for (let seed = 1; seed <= 60; seed++) {
      const report = simulate({ seed, hours: 4, faultEveryMs: 60_000 })
      expect(report.violations).toEqual([])
    }
  })

  test('the same seed plays the same run', () => {
    const once = simulate({ seed: 5, hours: 1, faultEveryMs: 20_000 })
    expect(simulate({ seed: 5, hours: 1, faultEveryMs: 20_000 })).toEqual(once)
    expect(simulate({ seed: 6, hours: 1, faultEveryMs: 20_000 }).steps).not.toBe(once.steps)
  })

  test('without troubles: each unit is started once, and services are ready all the time', () => {
    const report = simulate({ seed: 1, hours: 24, faultEveryMs: Number.MAX_SAFE_INTEGER })
    expect(report.violations).toEqual([])
    expect(report.starts).toBe(SIMULATED_FLEET.length + HEALING.spares)
    expect(report.availability).toBeGreaterThan(0.9999)
  })

  test('a policy that is broken is caught, with the seed that shows it', () => {
    const impatient: HealingPolicy = {
      ...HEALING,
      most: Number.POSITIVE_INFINITY,
      backoff: { firstMs: 0, maxMs: 0 },
    }
    const run = (policy: HealingPolicy) =>
      Array.from({ length: 5 }, (_, seed) =>
        simulate({ seed, hours: 1, faultEveryMs: 30_000, faults: ['bad-service', 'crash'], policy }),
      ).flatMap((report) => report.violations)
    const [violations, stormy] = [run(HEALING), run(impatient)]
    expect(violations).toEqual([])
    expect(stormy.join('\n')).toMatch(/was started \d+ times within/)
    expect(stormy.join('\n')).toMatch(/seed \d/)
  })
})
