/**
 * Health checks from outside: of a service on its port, and of infrastructure that has no link to the
 * supervisor.
 */
import type { UnitState } from '../fleet/healing/state.ts'
import { messageOf } from '../std/errors.ts'

const TIMEOUT_MS = 2_000
const STARTING_MS = 30
const RUNNING_MS = 2_000

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
  onAnswer(): void
  /** Two consecutive probes failed although the process was up. */
  onSilence(reason: string): void
}

/** Probes a process, at short intervals until it is up. */
export function watchByProbe(probe: () => Promise<void>, { status, onAnswer, onSilence }: ProbeEvents): void {
  let unanswered = 0
  const attempt = async () => {
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => reject(new Error('no answer')), TIMEOUT_MS)
    })
    try {
      await Promise.race([probe(), late])
      unanswered = 0
      if (status()) onAnswer()
    } catch (error) {
      const now = status()
      if (now && now !== 'starting' && ++unanswered >= 2) onSilence(messageOf(error))
    }
    clearTimeout(timer)
    const next = status()
    if (next) setTimeout(() => void attempt(), next === 'starting' ? STARTING_MS : RUNNING_MS)
  }
  setTimeout(() => void attempt(), 0)
}
