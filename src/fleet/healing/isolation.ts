/** Who took a process down: from what was running when it failed, else by halving. */
import type { Blame, FleetState } from './state.ts'

/** Adds blame for the suspects and forgets what is older than `memoryMs`. Many suspects at once say nothing about any of them. */
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

/** The first and the second half; the first is the longer one. */
export function halves<T>(items: readonly T[]): [T[], T[]] {
  const middle = Math.ceil(items.length / 2)
  return [items.slice(0, middle), items.slice(middle)]
}
