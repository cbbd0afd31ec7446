import { describe, expect, test } from 'vitest'
import { cellSpec, DrivenFleet } from '../../../test/support/driven-fleet.ts'
import { OverloadMeter } from './overload.ts'
import { HEALING, nextWake } from './state.ts'

const secondsUntil = (meter: OverloadMeter, wanted: boolean, lostMs: number): number => {
  for (let second = 1; second <= 60; second++) if (meter.add(lostMs, 1_000) === wanted) return second
  return Number.POSITIVE_INFINITY
}

describe('overload', () => {
  test('begins within 16 s of starvation and ends within 10 s of its end, also on a machine that is still shared', () => {
    const meter = new OverloadMeter(false)
    expect(secondsUntil(meter, true, 950)).toBe(16)
    for (let second = 0; second < 60; second++) expect(meter.add(950, 1_000)).toBe(true)
    expect(secondsUntil(meter, false, 50)).toBe(5)
    for (let second = 0; second < 60; second++) meter.add(950, 1_000)
    expect(secondsUntil(meter, false, 300)).toBeLessThanOrEqual(10)
  })

  test('is neither a burst of work nor a machine that is shared fairly', () => {
    const meter = new OverloadMeter(false)
    for (let second = 0; second < 600; second++)
      expect(meter.add(second % 20 < 3 ? 1_000 : 100, 1_000)).toBe(false)
    expect(secondsUntil(meter, true, 600)).toBe(Number.POSITIVE_INFINITY)
  })

  test('does not end at once where the share lies between the limits', () => {
    const meter = new OverloadMeter(true)
    for (let second = 0; second < 60; second++) expect(meter.add(500, 1_000)).toBe(true)
  })

  test('is one incident with its facts, and one when it is over; every process is told', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    expect(fleet.send({ type: 'overload', detail: 'load 17' }, 1_000)).toEqual([
      { type: 'overload', on: true },
      {
        type: 'incident',
        unit: 'fleet',
        services: [],
        kind: 'overload',
        detail: 'load 17',
        action: 'load is shed, trading pauses',
      },
    ])
    expect(fleet.send({ type: 'overload', detail: 'load 18' }, 2_000)).toEqual([])
    expect(fleet.send({ type: 'overload', detail: null }, 61_000)).toMatchObject([
      { type: 'overload', on: false },
      { kind: 'overload-over', durationMs: 60_000, detail: 'over after 60 s; at its start load 17' },
    ])
    expect(fleet.send({ type: 'overload', detail: null }, 62_000)).toEqual([])
  })

  test('spares are refilled when it is over', () => {
    const fleet = new DrivenFleet([cellSpec('a', ['s'])])
    fleet.ready('a', 50)
    fleet.send({ type: 'overload', detail: 'load 17' }, 100)
    fleet.send({ type: 'settled' }, 100)
    expect(nextWake(fleet.state, HEALING)).toBe(Number.POSITIVE_INFINITY)
    fleet.tick(10_000)
    expect(Object.keys(fleet.state.spares)).toEqual([])
    fleet.send({ type: 'overload', detail: null }, 20_000)
    fleet.tick(20_050)
    expect(Object.keys(fleet.state.spares)).toHaveLength(HEALING.spares)
  })
})
