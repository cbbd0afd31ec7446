import { describe, expect, test } from 'vitest'
import { ALARMS, type AlarmState, alarmsOf, observe, type Progress, UNOBSERVED } from './alarms.ts'

/** Blocks of 2 s from `first` on; `report` says what services report at each. */
function run(
  first: number,
  last: number,
  report: (block: number) => Progress,
  from = UNOBSERVED,
): AlarmState {
  let state = from
  for (let block = first; block <= last; block++)
    state = observe(state, { head: block, ...report(block) }, block * 2_000)
  return state
}
const at = (state: AlarmState, now: number) => alarmsOf(state, now, ALARMS).map(({ message }) => message)

describe('no block', () => {
  test('after 15 s of silence, and not before; over with the next block', () => {
    const state = run(100, 103, () => ({}))
    expect(at(state, 103 * 2_000 + 14_999)).toEqual([])
    expect(at(state, 103 * 2_000 + 15_000)).toEqual(['no block for 15 s; the last one was 103'])
    expect(at(observe(state, { head: 104 }, 230_000), 230_000)).toEqual([])
  })
  test('on a chain with slow blocks only after five of its intervals', () => {
    let state = UNOBSERVED
    for (let block = 1; block <= 20; block++) state = observe(state, { head: block }, block * 12_000)
    expect(at(state, 20 * 12_000 + 59_999)).toEqual([])
    expect(at(state, 20 * 12_000 + 60_000)).toEqual(['no block for 60 s; the last one was 20'])
  })
  test('an outage does not hide the next one: the usual interval stays near what it was', () => {
    const before = run(100, 103, () => ({}))
    const after = observe(before, { head: 104 }, 103 * 2_000 + 600_000)
    // A fifth of the way from 2 s to five times as much.
    expect(after.intervalMs).toBeCloseTo(3_600)
    expect(at(after, after.headAt + 17_999)).toEqual([])
    expect(at(after, after.headAt + 18_000)).toEqual(['no block for 18 s; the last one was 104'])
  })
  test('a service that lags behind is no new block, and before the first block there is no alarm', () => {
    const state = observe(
      run(100, 103, () => ({})),
      { head: 101 },
      999_000,
    )
    expect(at(state, 103 * 2_000 + 15_000)).toEqual(['no block for 15 s; the last one was 103'])
    expect(at(UNOBSERVED, 1e9)).toEqual([])
  })
})

describe('no decision', () => {
  const lost = (block: number): Progress =>
    block >= 105 ? { found: block, decided: 104 } : { found: block, decided: block }
  test('ten blocks after the first undecided find; over with a decision', () => {
    expect(at(run(100, 114, lost), 114 * 2_000)).toEqual([])
    expect(at(run(100, 115, lost), 115 * 2_000)).toEqual([
      'no decision for 10 blocks on the opportunities found since block 105',
    ])
    const over = observe(run(100, 115, lost), { decided: 115 }, 230_001)
    expect(at(over, 230_001)).toEqual([])
  })
  test('quiet blocks without opportunities need no decision', () => {
    const quiet = run(100, 140, (block) => (block === 100 ? { found: 100, decided: 100 } : {}))
    expect(at(quiet, 140 * 2_000)).toEqual([])
  })
  test('a decision on an older block leaves later finds undecided', () => {
    const behind = run(100, 130, (block) => ({ found: block, decided: block - 1 }))
    expect(at(behind, 130 * 2_000)).toEqual([])
    expect(behind.undecidedSince).toBe(130)
  })
})

describe('no trade', () => {
  const refused = (block: number): Progress => ({ found: block, decided: block, refusedBy: 'profit' })
  test('sixty blocks after the last trade, if opportunities were found in twenty of them', () => {
    const traded = run(100, 100, () => ({ found: 100, decided: 100, traded: 100, refusedBy: null }))
    expect(at(run(101, 159, refused, traded), 159 * 2_000)).toEqual([])
    expect(at(run(101, 160, refused, traded), 160 * 2_000)).toEqual([
      'no trade for 60 blocks although opportunities were found in 60 of them; the last one was refused by: profit',
    ])
    const over = observe(run(101, 160, refused, traded), { traded: 161 }, 322_000)
    expect(at(over, 322_000)).toEqual([])
  })
  test('with nineteen finds there is none, with twenty there is', () => {
    const finds = (count: number) =>
      run(
        101,
        170,
        (block) => (block - 101 < count ? refused(block) : {}),
        run(100, 100, () => ({ traded: 100 })),
      )
    expect(at(finds(19), 170 * 2_000)).toEqual([])
    expect(at(finds(20), 170 * 2_000)).toHaveLength(1)
  })
})

test('a new chain, whose blocks begin elsewhere, starts from nothing', () => {
  const alarmed = run(100, 115, (block) => ({ found: block }))
  expect(at(alarmed, 115 * 2_000)).toHaveLength(1)
  const fresh = observe(alarmed, { head: 1_115 }, 240_000)
  expect(at(fresh, 240_000)).toEqual([])
  // A report about the old chain counts for nothing.
  expect(observe(fresh, { found: 116 }, 240_000).undecidedSince).toBeNull()
})

test.each(['trading not halted', 'paused'])(
  'while trading stands still by intention (%s), blocks without a trade do not count',
  (intended) => {
    const refused = (refusedBy: string) => (block: number) => ({ found: block, decided: block, refusedBy })
    const halted = run(100, 200, refused(intended))
    expect(at(halted, 200 * 2_000)).toEqual([])
    const resumed = (last: number) => run(201, last, refused('net profit'), halted)
    expect(at(resumed(259), 259 * 2_000)).toEqual([])
    expect(at(resumed(260), 260 * 2_000)).toEqual([expect.stringMatching(/^no trade for 60 blocks/)])
  },
)
