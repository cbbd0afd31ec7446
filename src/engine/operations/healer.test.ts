/** What the slow side of healing decides from vitals: heaps that are too small, crowded cells, load that comes and goes. */
import { expect, test } from 'vitest'
import type { CellVitals } from '../../ports/fleet.ts'
import { Healer, type HealingAction, SCALING } from './healer.ts'

const MB = 2 ** 20
const idle = { calls: 0, errors: 0, durationMs: 0, running: 0 }
const vitals = (change: Partial<CellVitals> = {}): CellVitals => ({
  process: 'p1',
  pid: 1,
  rss: 100 * MB,
  heapUsed: 60 * MB,
  heapLimit: 1_235 * MB,
  collected: null,
  loopDelayMs: 21,
  cpuMs: 0,
  services: { a: idle, b: idle },
  ...change,
})

/** Plays seconds of vitals, and returns what was decided but for warnings, with the second. */
function play(
  seconds: number,
  at: (second: number) => Partial<CellVitals>,
  healer = new Healer({ scalable: ['a'], usualHeapBytes: 1_024 * MB, scaling: () => SCALING }),
) {
  const decided: { second: number; action: HealingAction }[] = []
  for (let second = 0; second < seconds; second++)
    for (const action of healer.observe({ cell: vitals(at(second)) }, second * 1_000))
      if (action.type !== 'warn' && action.type !== 'collect') decided.push({ second, action })
  return decided
}

test('a heap that stays nearly full gets twice its limit, not before twenty seconds, and not again and again', () => {
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

test('a cell that was given more and needs little for half an hour goes back to the usual limit; one with the usual limit is left alone', () => {
  expect(play(2_000, () => ({ heapUsed: 60 * MB }))).toEqual([])
  const [{ second, action }] = play(2_000, () => ({ heapUsed: 60 * MB, heapLimit: 2_470 * MB })) as [
    { second: number; action: HealingAction },
  ]
  expect(action).toMatchObject({ type: 'resize', cell: 'cell', heapMb: null })
  expect(second).toBe(1_801)
})

test('a cell that needs a whole processor for half a minute parts with its busiest service', () => {
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

test('load adds an instance after eight seconds and takes it away after a minute of quiet', () => {
  const running = (count: number) => ({ services: { a: { ...idle, running: count } } })
  const healer = new Healer({ scalable: ['a'], usualHeapBytes: 1_024 * MB, scaling: () => SCALING })
  const out = play(20, () => running(10), healer)
  expect(out[0]).toMatchObject({ action: { type: 'scale', service: 'a', instances: 2 } })
  expect(out[0]?.second).toBeGreaterThan(8)
  const two = (count: number) =>
    Object.fromEntries(['cell', 'a#2'].map((cell) => [cell, vitals(running(count))]))
  const back: HealingAction[] = []
  for (let second = 20; second < 120; second++) back.push(...healer.observe(two(0), second * 1_000))
  expect(back.filter(({ type }) => type === 'scale')).toEqual([
    { type: 'scale', service: 'a', instances: 1, reason: 'hardly a call runs, for 60 s' },
  ])
})
