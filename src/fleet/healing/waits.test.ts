import { expect, test } from 'vitest'
import { cellSpec, DrivenFleet, infrastructureSpec } from '../../../test/support/driven-fleet.ts'
import { HEALING, type ServiceHealth } from './state.ts'

const waits: ServiceHealth = {
  id: 's',
  ready: false,
  reason: 'waits for redis: nothing listens',
  waits: true,
}
const unwell: ServiceHealth = { id: 's', ready: false, reason: 'broken' }
const processOf = (fleet: DrivenFleet, unit: string) =>
  (fleet.unit(unit).state as { process: string }).process
const report = (fleet: DrivenFleet, at: number, ...services: ServiceHealth[]) => {
  fleet.now = at
  fleet.send({ type: 'health', process: processOf(fleet, 'a'), services })
}
const tickUntil = (fleet: DrivenFleet, until: number) => {
  for (; fleet.now < until; fleet.now += 1_000) fleet.send({ type: 'tick' })
}
const drains = (fleet: DrivenFleet) => fleet.effects.filter(({ type }) => type === 'drain').length

test('a cell that waits for an external service is degraded with the reason, and not restarted for an hour', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s'])])
  fleet.ready('a', 1_000)
  report(fleet, 2_000, waits)
  expect(fleet.unit('a').state).toMatchObject({
    status: 'degraded',
    detail: 's: waits for redis: nothing listens',
  })
  tickUntil(fleet, 3_600_000)
  expect(drains(fleet)).toBe(0)
  report(fleet, 3_600_000, { id: 's', ready: true })
  expect(fleet.unit('a').state.status).toBe('healthy')
  expect(fleet.unit('a').waits).toBeUndefined()
})

test('a cell that stays unwell once it need not wait is restarted after the usual time', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s'])])
  fleet.ready('a', 1_000)
  report(fleet, 2_000, waits)
  tickUntil(fleet, 500_000)
  report(fleet, 500_000, unwell)
  tickUntil(fleet, 500_000 + HEALING.unwellMs - 1_000)
  expect(drains(fleet)).toBe(0)
  tickUntil(fleet, 500_000 + HEALING.unwellMs + 1_000)
  expect(drains(fleet)).toBe(1)
})

test('a cell of which one service waits and another is broken is restarted', () => {
  const fleet = new DrivenFleet([cellSpec('a', ['s', 't'])])
  report(fleet, 2_000, { id: 's', ready: true }, { id: 't', ready: true })
  report(fleet, 3_000, waits, { ...unwell, id: 't' })
  tickUntil(fleet, 3_000 + HEALING.unwellMs + 2_000)
  expect(drains(fleet)).toBe(1)
})

test('infrastructure that waits by itself is not killed at its start; a new process is judged by its own time', () => {
  const fleet = new DrivenFleet([infrastructureSpec('discovery')])
  const kills = () => fleet.effects.filter(({ type }) => type === 'kill').length
  fleet.now = 1_000
  fleet.send({
    type: 'health',
    process: processOf(fleet, 'discovery'),
    services: [{ id: 'discovery', ready: false, reason: 'the node is on chain 5', waits: true }],
  })
  tickUntil(fleet, 3 * HEALING.startMs)
  expect(kills()).toBe(0)
  expect(fleet.unit('discovery').readiness).toEqual({ discovery: 'the node is on chain 5' })
})
