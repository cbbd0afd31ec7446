/** Decisions of the healer from vitals: heap limits, crowded cells, load. */

import { expect, test } from 'vitest'
import { idle, MB, vitals } from '../../../test/support/vitals.ts'
import type { CellVitals } from '../../ports/fleet.ts'
import { Healer, type HealingAction } from './healer.ts'
import { DEFAULT_SCALING } from './scaling.ts'

/** Observes vitals for some seconds; returns the decisions other than warnings, with their second. */
function play(
  seconds: number,
  at: (second: number) => Partial<CellVitals>,
  healer = new Healer({
    scalable: ['a'],
    defaultHeapBytes: 1_024 * MB,
    scaling: () => DEFAULT_SCALING,
  }),
) {
  const decided: { second: number; action: HealingAction }[] = []
  for (let second = 0; second < seconds; second++)
    for (const action of healer.observe({ cell: vitals(at(second)) }, second * 1_000))
      if (action.type !== 'warn' && action.type !== 'collect') decided.push({ second, action })
  return decided
}

test('a heap that stays nearly full for twenty seconds gets twice its limit, once', () => {
  const decided = play(60, (second) => ({ heapUsed: (second % 10 === 9 ? 700 : 960) * MB }))
  expect(decided).toEqual([])
  const [{ second, action }] = play(60, (second) => ({ heapUsed: 960 * MB + (second % 3) * MB })) as [
    { second: number; action: HealingAction },
  ]
  expect(action).toMatchObject({
    type: 'resize',
    cell: 'cell',
    heapMb: 2_470,
    reason: expect.stringContaining('78 %'),
  })
  expect(second).toBe(21)
})

test('an enlarged heap that stays nearly empty for half an hour gets the default limit; a default one is not resized', () => {
  expect(play(2_000, () => ({ heapUsed: 60 * MB }))).toEqual([])
  const [{ second, action }] = play(2_000, () => ({ heapUsed: 60 * MB, heapLimit: 2_470 * MB })) as [
    { second: number; action: HealingAction },
  ]
  expect(action).toMatchObject({ type: 'resize', cell: 'cell', heapMb: null })
  expect(second).toBe(1_801)
})

test('a cell that uses a whole processor for half a minute has its busiest service isolated', () => {
  const busy = play(60, (second) => ({
    cpuMs: second * 950,
    services: {
      a: { ...idle, calls: second, durationMs: second * 100 },
      b: { ...idle, calls: second, durationMs: second * 700 },
    },
  }))
  expect(busy[0]).toMatchObject({ second: 31, action: { type: 'isolate', service: 'b' } })
  expect(play(60, (second) => ({ cpuMs: second * 500 }))).toEqual([])
})

test('load adds an instance after eight seconds; a minute without load removes it', () => {
  const running = (count: number) => ({ services: { a: { ...idle, running: count } } })
  const healer = new Healer({
    scalable: ['a'],
    defaultHeapBytes: 1_024 * MB,
    scaling: () => DEFAULT_SCALING,
  })
  const out = play(20, () => running(10), healer)
  expect(out[0]).toMatchObject({ action: { type: 'scale', service: 'a', instances: 2 } })
  expect(out[0]?.second).toBeGreaterThan(8)
  const two = (count: number) =>
    Object.fromEntries(['cell', 'a#2'].map((cell) => [cell, vitals(running(count))]))
  const back: HealingAction[] = []
  for (let second = 20; second < 120; second++) back.push(...healer.observe(two(0), second * 1_000))
  expect(back.filter(({ type }) => type === 'scale')).toEqual([
    { type: 'scale', service: 'a', instances: 1, reason: 'hardly any running calls for 60 s' },
  ])
})
