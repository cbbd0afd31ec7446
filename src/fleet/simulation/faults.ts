/** The faults that a simulated world suffers, each as one function. */
import { isRunning } from '../healing/state.ts'
import type { SimulatedProcess } from './machine.ts'
import type { World } from './world.ts'

/** The kinds of simulated faults. */
export const FAULTS = [
  'crash',
  'kill',
  'out-of-memory',
  'hang',
  'starved',
  'slow',
  'leak',
  'lost-messages',
  'clock-jump',
  'disk-full',
  'bad-service',
  'bad-dependency',
] as const
/** The kind of a simulated fault. */
export type Fault = (typeof FAULTS)[number]

/** Faults with a duration end after at most this long. */
export const MAX_FAULT_MS = 90_000

interface Target {
  /** A process picked at random; undefined if none runs. */
  readonly proc: SimulatedProcess | undefined
  /** When a fault with a duration ends. */
  readonly until: number
}

/** Injects a fault of a random kind into a random process. Returns the kind. */
export function injectFault(world: World, kinds: readonly Fault[]): Fault {
  const kind = world.pick(kinds) as Fault
  const proc = world.pick([...world.processes.values()])
  const until = world.now + world.random() * MAX_FAULT_MS
  INJECTIONS[kind](world, { proc, until })
  return kind
}

const INJECTIONS: Readonly<Record<Fault, (world: World, target: Target) => void>> = {
  crash: (world, { proc }) => {
    if (!proc) return
    const [first] = proc.services
    const suspects = world.random() < 0.2 && first !== undefined ? [first] : []
    world.exit(proc, { kind: 'signal', signal: 'SIGSEGV' }, suspects)
  },
  // Somebody else kills it, whatever it is doing.
  kill: (world, { proc }) => {
    if (proc) world.exit(proc, { kind: 'signal', signal: 'SIGKILL' }, proc.services.slice(0, 1))
  },
  'out-of-memory': (world, { proc }) => {
    if (proc) world.exit(proc, { kind: 'out-of-memory' }, proc.services.slice(0, 1))
  },
  hang: (world, { proc }) => {
    if (proc && proc.hungAt === undefined) world.hang(proc, world.random() < 0.5 ? 'spins' : 'sleeps')
  },
  // Other programs leave the fleet a fraction of what it wants: from a third down to a hundredth.
  starved: (world, { until }) => world.starve(3 ** -(1 + world.random() * 3.2), until),
  slow: (world, { until }) => {
    world.slowUntil = until
  },
  leak: (world) => {
    const unit = world.pick(Object.values(world.state.units).filter(({ spec }) => spec.kind === 'cell'))
    if (unit) world.dispatch({ type: 'restart', unit: unit.spec.id, reason: 'memory grows', cause: 'leak' })
  },
  'lost-messages': (world, { proc }) => {
    if (proc) proc.deafUntil = world.now + world.random() * 10_000
  },
  'clock-jump': (world) => {
    // The supervisor was suspended: it receives the events of that time late, and all heartbeats look old.
    world.suspend(Math.round(world.random() * 30_000))
  },
  'disk-full': (world) => {
    world.diskFullUntil = world.now + world.random() * 20_000
  },
  'bad-service': (world, { until }) => {
    const service = world.pick(world.specs.flatMap((spec) => spec.services)) as string
    world.badUntil.set(service, until)
    const host = [...world.processes.values()].find(
      (each) => each.services.includes(service) && each.hungAt === undefined,
    )
    if (host) world.exit(host, { kind: 'exit', code: 7 }, [])
  },
  'bad-dependency': (world) => {
    const spec = world.pick(world.specs.filter(({ kind }) => kind === 'infrastructure'))
    if (!spec) return
    world.badUntil.set(spec.id, world.now + world.random() * 20_000)
    const state = world.state.units[spec.id]?.state
    const running = state && isRunning(state) ? world.processes.get(state.process) : undefined
    if (running) world.exit(running, { kind: 'signal', signal: 'SIGKILL' }, [])
  },
}
