/** Heartbeats: when a process that sends none is considered hung. */

/** The interval of heartbeats. */
export const HEARTBEAT_MS = 1_000
/**
 * A process without a heartbeat for this long, plus the supervisor's own lag, hangs. The longest gap measured
 * under 16 busy loops was 1.1 s.
 */
export const HEARTBEAT_DEADLINE_MS = 2_500
/** The deadline of the first heartbeat of a new process. */
const FIRST_BEAT_MS = 15_000

/**
 * Whether a heartbeat is overdue. `lagMs`: how late the supervisor itself is; `first`: whether the process
 * has sent none yet.
 */
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
