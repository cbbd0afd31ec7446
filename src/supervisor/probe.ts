/**
 * Health checks from outside: of a service on its port, and of infrastructure that has no link to the
 * supervisor.
 */
import type { UnitState } from '../fleet/healing/state.ts'
import { messageOf } from '../std/errors.ts'

const TIMEOUT_MS = 2_000
const STARTING_MS = 30
const RUNNING_MS = 2_000
/** Polls without an answer for this long in a row mean that a process hangs: two, if the machine is calm. */
export const UNANSWERED_LIMIT_MS = 3_500

/**
 * How much a poll without an answer counts, in ms: a timeout, less what the fleet lost meanwhile because the
 * machine gave it no CPU.
 */
export function unansweredFor(lostMs: number): number {
  return Math.max(0, TIMEOUT_MS - lostMs)
}

/** Whether a service answers `GET /health` with success in time. */
export async function answersHealth(host: string, port: number): Promise<boolean> {
  return fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}/health`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).then(
    (response) => response.ok,
    () => false,
  )
}

/** The receiver of a probe's reports. */
export interface ProbeEvents {
  /** The status of the probed process; undefined once it is replaced, which ends the probe. */
  status(): UnitState['status'] | undefined
  /** ms that the fleet has lost so far because it waited for a CPU. */
  lostMs(): number
  onAnswer(): void
  /** Probes had no answer for `UNANSWERED_LIMIT_MS` although the process was up. */
  onSilence(reason: string): void
}

/** Probes a process, at short intervals until it is up. */
export function watchByProbe(
  probe: () => Promise<void>,
  { status, lostMs, onAnswer, onSilence }: ProbeEvents,
): void {
  let unansweredMs = 0
  const attempt = async () => {
    const lostBefore = lostMs()
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS)
    })
    try {
      await Promise.race([probe(), late])
      unansweredMs = 0
      if (status()) onAnswer()
    } catch (error) {
      const now = status()
      if (now && now !== 'starting') {
        unansweredMs += unansweredFor(lostMs() - lostBefore)
        if (unansweredMs >= UNANSWERED_LIMIT_MS) onSilence(messageOf(error))
      }
    }
    clearTimeout(timer)
    const next = status()
    if (next) setTimeout(() => void attempt(), next === 'starting' ? STARTING_MS : RUNNING_MS)
  }
  setTimeout(() => void attempt(), 0)
}
