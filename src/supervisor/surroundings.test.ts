import { expect, test } from 'vitest'
import { DrivenFleet, infrastructureSpec } from '../../test/support/driven-fleet.ts'
import type { PortName } from '../ports/ports.ts'
import type { ExternalPlan } from './externals.ts'
import type { ProcessLinks } from './links/process-links.ts'
import type { ToChild } from './links/protocol.ts'
import { Surroundings } from './surroundings.ts'

/** The surroundings of a fleet with these units, and what its processes were told. */
function surround(units: readonly string[], externals: readonly ExternalPlan[] = []) {
  const fleet = new DrivenFleet(units.map(infrastructureSpec))
  const told: [process: string, message: ToChild][] = []
  const surroundings = new Surroundings({
    externals,
    now: () => 0,
    monotonic: () => 0,
    links: {
      send: (process: string, message: ToChild) => void told.push([process, message]),
    } as unknown as ProcessLinks,
    fleet: () => fleet.state,
    onIncident: () => undefined,
    onChange: () => surroundings.tell(),
  })
  const tell = () => {
    surroundings.tell()
    return told.splice(0)
  }
  return { fleet, surroundings, told, tell }
}
const outages = (market: string | null, ports: Partial<Record<PortName, string>> = {}) => ({
  type: 'outages',
  ports,
  market,
})

test.each(['discovery', 'localnet'])(
  'the market waits for %s and says why, until it is healthy',
  (source) => {
    const { fleet, tell } = surround([source])
    const process = fleet.process(source)
    expect(tell()).toEqual([[process, outages(`waits for ${source}: starting`)]])
    // The same again is not told again.
    expect(tell()).toEqual([])
    fleet.report(source, [{ id: source, ready: false, reason: 'reading 3 of 9 factories' }])
    expect(tell()).toEqual([[process, outages(`waits for ${source}: reading 3 of 9 factories`)]])
    fleet.ready(source)
    expect(tell()).toEqual([[process, outages(null)]])
    // Its next process has reported nothing yet.
    fleet.exit(source)
    const [[, message] = []] = tell()
    expect(message).toEqual(outages(`waits for ${source}: ${fleet.unit(source).state.status}`))
  },
)

test('a process that connects later is told what is out, as soon as that is known', async () => {
  const answer = Promise.withResolvers<string>()
  const probe = { ask: () => answer.promise, close: () => undefined }
  const redis: ExternalPlan = { id: 'redis', title: 'Redis', ports: ['bus'], probe, intervalMs: 60_000 }
  const { surroundings, told, tell } = surround(['discovery'], [redis])
  surroundings.start()
  surroundings.greet('late')
  expect(tell()).toEqual([])
  answer.reject(new Error('nothing listens'))
  await expect.poll(() => told).toHaveLength(1)
  surroundings.stop()
  surroundings.greet('late')
  expect(told.at(-1)).toEqual([
    'late',
    outages('waits for discovery: starting', { bus: 'waits for redis: nothing listens' }),
  ])
})

test('a fleet without a source of its market waits for none', () => {
  const { fleet, tell } = surround(['database'])
  expect(tell()).toEqual([[fleet.process('database'), outages(null)]])
})
