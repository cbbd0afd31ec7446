/** Isolation: which service took its process down, and giving it a process of its own until it behaves. */
import { type ExitCause, wasKilledFromOutside } from '../exit-cause.ts'
import type { Draft } from './draft.ts'
import { restart } from './hand-over.ts'
import { start, startNew, terminate } from './lifecycle.ts'
import { type Blame, type FleetState, type InFlightCall, isRunning, type Unit } from './state.ts'

/**
 * Whether a process ended without a fault of its own: somebody else killed it. One that was killed because it
 * hung failed by itself.
 */
export const endedFromOutside = ({
  cause,
  hung,
}: {
  readonly cause: ExitCause
  readonly hung: boolean
}): boolean => wasKilledFromOutside(cause) && !hung

/**
 * Services that may have caused an exit: those with calls in flight. None if the exit was deliberate or the
 * process was killed from outside.
 */
export function suspectsOf({
  cause,
  calls,
  hung,
  deliberate,
}: {
  readonly cause: ExitCause
  readonly calls: readonly InFlightCall[]
  readonly hung: boolean
  readonly deliberate: boolean
}): string[] {
  if (deliberate || endedFromOutside({ cause, hung })) return []
  return [...new Set(calls.map(({ service }) => service))]
}

/**
 * Adds blame for a single suspect, and forgets blame older than `memoryMs`. Several suspects give no evidence
 * against any of them.
 */
export function blame(
  known: FleetState['blame'],
  suspects: readonly string[],
  detail: string,
  now: number,
  memoryMs: number,
): FleetState['blame'] {
  const kept = Object.entries(known).flatMap(([service, entries]): [string, readonly Blame[]][] => {
    const recent = entries.filter(({ at }) => at > now - memoryMs)
    return recent.length > 0 ? [[service, recent]] : []
  })
  const next = Object.fromEntries(kept)
  const [only] = suspects
  if (suspects.length !== 1 || only === undefined) return next
  return { ...next, [only]: [...(next[only] ?? []), { at: now, detail }] }
}

/** Records blame in a draft. */
export function addBlame(draft: Draft, services: readonly string[], detail: string): void {
  const known = draft.state.blame
  draft.state = { ...draft.state, blame: blame(known, services, detail, draft.now, draft.policy.blameMs) }
}

/** The first and the second half; the first is the longer one. */
export function halves<T>(items: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}

/** Services to move into a process of their own, and why. */
export interface Separation {
  readonly services: readonly string[]
  readonly reason: string
}

/**
 * The services to separate from a unit that failed by itself: one that was blamed often enough, or half of
 * them if no service was blamed; else undefined. Kills from outside are no evidence.
 */
export function separationOf(draft: Draft, { spec, failures }: Unit): Separation | undefined {
  const { blame: blamed } = draft.state
  const { isolateAfter, halveAfter } = draft.policy
  const culprit = spec.services.find((id) => (blamed[id]?.length ?? 0) >= isolateAfter)
  if (culprit !== undefined)
    return {
      services: [culprit],
      reason: `${culprit} had a call in flight each time its process failed: ${blamed[culprit]?.at(-1)?.detail}`,
    }
  const own = failures.filter(({ outside }) => !outside).length
  if (own < halveAfter || own % halveAfter !== 0) return undefined
  if (spec.services.some((id) => blamed[id])) return undefined
  return {
    services: halves(spec.services)[1],
    reason: 'no service can be blamed, so the cell is split in halves',
  }
}

/** Moves services of a unit into a process of their own. The unit's process has ended, or releases them. */
export function separate(draft: Draft, unit: Unit, { services, reason }: Separation): void {
  const { spec, state } = unit
  const rest = { ...unit, spec: { ...spec, services: spec.services.filter((id) => !services.includes(id)) } }
  draft.incident(
    unit,
    'isolated',
    `${services.join(', ')} out of ${spec.id}: ${reason}`,
    'a process of its own',
  )
  if (isRunning(state) && !unit.failing) {
    draft.effects.push({ type: 'release', process: state.process, services })
    draft.write({ ...rest, released: [...(unit.released ?? []), ...services] })
  } else start(draft, rest)
  const [only] = services
  const alone = services.length === 1
  startNew(
    draft,
    { ...spec, id: alone ? (only as string) : `${spec.id}~${only}`, services, home: spec.home ?? spec.id },
    {
      failing: true,
      failedAt: draft.realNow,
      ...(alone ? { failures: unit.failures, quick: unit.quick } : {}),
    },
  )
}

/** Returns isolated services to their cell, if it is healthy. */
export function goHome(draft: Draft, unit: Unit, reason: string): void {
  const home = draft.units[unit.spec.home ?? '']
  if (home?.state.status !== 'healthy' || home.successor || unit.successor) return
  draft.incident(unit, 'home', `${unit.spec.services.join(', ')}: ${reason}`, `back to ${home.spec.id}`)
  terminate(draft, unit, 'home')
}

/**
 * The process of isolated services exited while they returned to their cell: the cell hosts them, in a new
 * process if its present one released them.
 */
export function arriveHome(draft: Draft, unit: Unit): void {
  draft.remove(unit.spec.id)
  const home = draft.units[unit.spec.home ?? '']
  if (!home) return
  const { services } = unit.spec
  const widened = { ...home, spec: { ...home.spec, services: [...home.spec.services, ...services] } }
  draft.write(widened)
  if (!isRunning(home.state)) return
  if (services.some((id) => home.released?.includes(id)))
    restart(draft, widened, `${services.join(', ')} returned to it`, 'requested')
  else
    draft.effects.push({
      type: 'host',
      process: home.state.process,
      unit: home.spec.id,
      services,
      hold: false,
    })
}
