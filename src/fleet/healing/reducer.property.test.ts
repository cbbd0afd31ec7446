import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellSpec, DrivenFleet, exitOf, infrastructureSpec } from '../../../test/support/driven-fleet.ts'
import { HEALING, isRunning, nextWake, type Unit, type UnitSpec, unitProcesses } from './state.ts'

const SERVICES = ['s', 't', 'u', 'v'] as const
const SPECS: readonly UnitSpec[] = [
  infrastructureSpec('database'),
  cellSpec('a', ['s', 't', 'u'], { after: ['database'], follows: ['database'] }),
  cellSpec('b', ['v'], { after: ['database'] }),
]

/** The target of a step of a random script. */
interface Step {
  readonly fleet: DrivenFleet
  readonly at: number
  readonly unit: Unit
  readonly process: string
  readonly service: string
  readonly pick: number
  readonly flag: boolean
}

const reportOf = ({ spec }: Unit, health: { ready: boolean; reason?: string; held?: boolean }) =>
  spec.services.map((id) => ({ id, ...health }))

const ACTIONS: Readonly<Record<string, (step: Step) => void>> = {
  tick: ({ fleet, at }) => fleet.tick(at),
  ready: ({ fleet, unit, at }) => isRunning(unit.state) && fleet.ready(unit.spec.id, at),
  exit: ({ fleet, process, service, flag, pick, at }) =>
    fleet.send(exitOf(process, { calls: flag ? [service] : [], deliberate: pick % 5 === 0 }), at),
  loaded: ({ fleet, process, at }) => fleet.send({ type: 'loaded', process }, at),
  restart: ({ fleet, unit, flag, at }) =>
    fleet.send(
      { type: 'restart', unit: unit.spec.id, reason: 'requested', cause: flag ? 'leak' : 'requested' },
      at,
    ),
  stop: ({ fleet, unit, at }) => fleet.send({ type: 'stop', unit: unit.spec.id, reason: 'requested' }, at),
  start: ({ fleet, unit, at }) => fleet.send({ type: 'start', unit: unit.spec.id }, at),
  isolate: ({ fleet, service, at }) => fleet.send({ type: 'isolate', service, reason: 'requested' }, at),
  home: ({ fleet, service, at }) => fleet.send({ type: 'bring-home', service }, at),
  scale: ({ fleet, service, pick, at }) =>
    fleet.send({ type: 'scale', service, instances: 1 + (pick % 3) }, at),
  released: ({ fleet, process, at }) => fleet.send({ type: 'released', process }, at),
  hung: ({ fleet, process, at }) => fleet.send({ type: 'hung', process, detail: 'silent' }, at),
  replaced: ({ fleet, at }) => fleet.send({ type: 'dependency-replaced', unit: 'database' }, at),
  unwell: ({ fleet, process, unit, at }) =>
    fleet.send({ type: 'health', process, services: reportOf(unit, { ready: false, reason: 'unwell' }) }, at),
  held: ({ fleet, process, unit, flag, at }) =>
    fleet.send({ type: 'health', process, services: reportOf(unit, { ready: flag, held: true }) }, at),
}
const FREQUENT = ['tick', 'ready', 'exit', 'loaded']
const action = fc.oneof(
  { weight: 10, arbitrary: fc.constantFrom(...FREQUENT) },
  fc.constantFrom(...Object.keys(ACTIONS).filter((name) => !FREQUENT.includes(name))),
)

function spawned({ effects }: DrivenFleet): string[] {
  return effects.flatMap((effect) => (effect.type === 'spawn' ? [effect.process] : []))
}

function expectInvariants({ state }: DrivenFleet): void {
  const used = Object.values(state.units).flatMap(unitProcesses)
  expect(new Set(used).size).toBe(used.length)
  for (const spare of Object.keys(state.spares)) expect(used).not.toContain(spare)
  const services = Object.values(state.units).flatMap(({ spec }) =>
    spec.instance === undefined ? spec.services : [],
  )
  expect([...services].sort()).toEqual([...SERVICES])
  expect(nextWake(state, HEALING)).not.toBeNaN()
}

/** From now on running processes are healthy, and processes that have to exit do. */
function calmDown(fleet: DrivenFleet): void {
  for (let round = 0; round < 60; round++) {
    for (const { spec, state, successor, standIn } of Object.values(fleet.state.units)) {
      if (successor) fleet.send(exitOf(successor.process, { deliberate: true }))
      else if (isRunning(state)) fleet.ready(spec.id)
      else if (state.status === 'stopping') fleet.exit(spec.id)
      else if (standIn) fleet.send(exitOf(standIn, { deliberate: true }))
    }
    fleet.tick(fleet.now + HEALING.maxQuarantineMs)
  }
}

test('random events: no process has two roles, no service is lost, and every wanted unit recovers', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 0, max: 20_000 }), action, fc.nat(), fc.boolean()), {
        maxLength: 120,
      }),
      (script) => {
        const fleet = new DrivenFleet(SPECS)
        fleet.send({ type: 'settled' })
        for (const [waitMs, name, pick, flag] of script) {
          const units = Object.values(fleet.state.units)
          const processes = spawned(fleet)
          ACTIONS[name]?.({
            fleet,
            at: fleet.now + waitMs,
            unit: units[pick % units.length] as Unit,
            process: processes[pick % processes.length] as string,
            service: SERVICES[pick % SERVICES.length] as string,
            pick,
            flag,
          })
          expectInvariants(fleet)
        }
        calmDown(fleet)
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
