import { afterEach, expect, test, vi } from 'vitest'
import type { Progress } from '../fleet/alarms.ts'
import type { Incident } from '../ports/fleet.ts'
import { AlarmBoard } from './alarm-board.ts'

const BLOCK_MS = 2_000
/** The alarms' times are of the monotonic clock; those of incidents are ms since 1970. */
const EPOCH_MS = 1_700_000_000_000

/** A board, and the incidents that it reported. */
function board() {
  let now = 0
  const incidents: Incident[] = []
  const alarms = new AlarmBoard({
    monotonic: () => now,
    now: () => EPOCH_MS + now,
    onIncident: (incident) => incidents.push(incident),
  })
  /** A block in which the detector and the executor report, each in a process of its own. */
  const block = (head: number, detector: Progress, executor: Progress) => {
    now += BLOCK_MS
    alarms.observe([{ head, ...detector }])
    alarms.observe([{ head, ...executor }])
    alarms.check()
    return incidents.splice(0)
  }
  return { alarms, block }
}
const incident = { unit: 'fleet', services: [], action: 'none' }
afterEach(() => void vi.useRealTimers())

test('opportunities without a decision for ten blocks: one alarm, which a decision clears', () => {
  const { alarms, block } = board()
  expect(block(100, { found: 100 }, { decided: 100, traded: 100, refusedBy: null })).toEqual([])
  for (let head = 101; head <= 110; head++)
    expect([head, block(head, { found: head }, { decided: 100 })]).toEqual([head, []])
  const message = (blocks: number) =>
    `no decision for ${blocks} blocks on the opportunities found since block 101`
  const raisedAt = EPOCH_MS + 12 * BLOCK_MS
  expect(block(111, { found: 111 }, { decided: 100 })).toEqual([
    { ...incident, kind: 'alarm', detail: message(10), at: raisedAt, durationMs: null },
  ])
  // While it holds it is not raised again; its words follow.
  expect(block(112, { found: 112 }, { decided: 100 })).toEqual([])
  expect(alarms.current()).toEqual([{ kind: 'no-decision', message: message(11), since: raisedAt }])
  expect(block(113, { found: 113 }, { decided: 113 })).toEqual([
    {
      ...incident,
      kind: 'alarm-cleared',
      detail: `over: ${message(11)}`,
      at: raisedAt + 2 * BLOCK_MS,
      durationMs: 2 * BLOCK_MS,
    },
  ])
  expect(alarms.current()).toEqual([])
  expect(block(114, {}, {})).toEqual([])
})

test('a started board checks by itself, until it is stopped', () => {
  vi.useFakeTimers({ now: EPOCH_MS })
  const kinds: string[] = []
  const onIncident = ({ kind }: Incident) => void kinds.push(kind)
  const alarms = new AlarmBoard({ monotonic: Date.now, now: Date.now, onIncident })
  alarms.start()
  alarms.observe([{ head: 100 }])
  vi.advanceTimersByTime(14_000)
  expect(kinds).toEqual([])
  vi.advanceTimersByTime(2_000)
  expect(kinds).toEqual(['alarm'])
  alarms.stop()
  alarms.observe([{ head: 101 }])
  vi.advanceTimersByTime(2_000)
  expect(kinds).toEqual(['alarm'])
})
