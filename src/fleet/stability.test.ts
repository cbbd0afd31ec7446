import { expect, test } from 'vitest'
import { INCIDENTS, type IncidentKind, type IncidentRecord, isFailure, storedKind } from './incidents.ts'
import { stabilityOf } from './stability.ts'

const HOUR = 3_600_000
const incident = (kind: IncidentKind, at: number, rest: Partial<IncidentRecord> = {}): IncidentRecord => ({
  unit: 'trading',
  services: ['a', 'b'],
  kind,
  detail: '',
  action: 'none',
  at,
  durationMs: null,
  ...rest,
})
const recovered = (at: number, durationMs: number) => incident('recovered', at, { durationMs })

test('two outages in ten hours, of 60 s and 300 s: mean times, availability and error budget', () => {
  const incidents = [
    incident('exited', 1 * HOUR),
    recovered(1 * HOUR + 60_000, 60_000),
    incident('exited', 5 * HOUR),
    incident('quarantined', 5 * HOUR + 10_000),
    recovered(5 * HOUR + 300_000, 300_000),
  ]
  const stability = stabilityOf('a', incidents, 0, 10 * HOUR, 0.999)
  // Three incidents are failures; 36,000 s less 360 s of downtime are 35,640 s of uptime, a third of it is
  // 11,880 s.
  expect(stability).toMatchObject({
    service: 'a',
    failures: 3,
    meanTimeToRecoveryMs: 180_000,
    meanTimeBetweenFailuresMs: 11_880_000,
    downMs: 360_000,
    flapping: false,
    leaks: 0,
    isolations: 0,
  })
  expect(stability.availability).toBeCloseTo(0.99, 10)
  expect(stability.errorBudgetUsed).toBeCloseTo(10, 10)
})

test('without incidents: fully available, no mean times, no budget used', () => {
  expect(stabilityOf('a', [], 0, HOUR, 0.99)).toEqual({
    service: 'a',
    failures: 0,
    meanTimeToRecoveryMs: null,
    meanTimeBetweenFailuresMs: null,
    downMs: 0,
    availability: 1,
    flapping: false,
    errorBudgetUsed: 0,
    leaks: 0,
    isolations: 0,
  })
})

test('a failure without a recovery lasts from its first incident until the end, regardless of other incidents', () => {
  const open = [
    incident('exited', 100_000),
    recovered(150_000, 50_000),
    incident('exited', 400_000),
    incident('isolated', 400_000),
    incident('quarantined', 700_000),
    incident('tried-again', 900_000),
  ]
  const { downMs, meanTimeToRecoveryMs, isolations } = stabilityOf('a', open, 0, 1_000_000, 0.9)
  expect(downMs).toBe(50_000 + 600_000)
  expect(meanTimeToRecoveryMs).toBe(50_000)
  expect(isolations).toBe(1)
})

test('only incidents of the service within the span count, both ends included; downtime is at most the span', () => {
  const at = (time: number) => incident('exited', time)
  const count = (service: string, incidents: IncidentRecord[]) =>
    stabilityOf(service, incidents, 1_000, 2_000, 0.9).failures
  expect(count('a', [at(999), at(1_000), at(2_000), at(2_001)])).toBe(2)
  expect(count('c', [at(1_500)])).toBe(0)
  const long = stabilityOf('a', [recovered(1_500, 9_000)], 1_000, 2_000, 0.9)
  expect(long).toMatchObject({ downMs: 1_000, availability: 0 })
  expect(long.errorBudgetUsed).toBeCloseTo(10, 10)
})

test('flapping: five failures within an hour, the fifth just inside', () => {
  const flapping = (last: number) =>
    stabilityOf(
      'a',
      [0, 1, 2, 3, last].map((time) => incident('exited', time)),
      0,
      10 * HOUR,
      0.9,
    ).flapping
  expect(flapping(HOUR - 1)).toBe(true)
  expect(flapping(HOUR)).toBe(false)
})

test('leaks are counted by the kind of the incident, not by its words', () => {
  const incidents = [
    incident('leak', 1, { detail: 'heap usage rises' }),
    incident('leak', 2),
    incident('restarted', 3, { detail: 'more memory is installed' }),
  ]
  expect(stabilityOf('a', incidents, 0, 10, 0.9).leaks).toBe(2)
})

test('stored incidents: kinds of today, leaks of earlier versions, kinds that are unknown', () => {
  const earlier = 'its memory grows by 5,000 KB/s; its limit of 1074 MB would be reached in 80 s'
  expect(storedKind('restarted', earlier)).toBe('leak')
  expect(storedKind('restarted', 'requested')).toBe('restarted')
  expect(storedKind('exited', earlier)).toBe('exited')
  expect(storedKind('toString', '')).toBe('other')
  for (const kind of Object.keys(INCIDENTS)) expect(storedKind(kind, '')).toBe(kind)
})

test('a service is down from an exit or a quarantine on', () => {
  const kinds = (Object.keys(INCIDENTS) as IncidentKind[]).filter(isFailure)
  expect(kinds).toEqual(['exited', 'quarantined'])
})
