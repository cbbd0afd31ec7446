/** Asking from outside: a service on its port, and what has no line to us by a question of its own. */
import type { UnitState } from '../fleet/healing/state.ts'
import { messageOf } from '../std/errors.ts'

const TIMEOUT_MS = 2_000
const STARTING_MS = 30
const RUNNING_MS = 2_000

export async function answersHealth(host: string, port: number): Promise<boolean> {
  return fetch(`http://${host.includes(':') ? `[${host}]` : host}:${port}/health`, {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  }).then(
    (response) => response.ok,
    () => false,
  )
}

export interface ProbeEvents {
  /** The state of the very process that is asked; undefined once it is another, which ends the asking. */
  status(): UnitState['status'] | undefined
  onAnswer(): void
  /** Twice in a row without an answer, though it was up. */
  onSilence(reason: string): void
}

/** Asks often until it is up, then now and then whether it still answers. */
export function watchByProbe(probe: () => Promise<void>, { status, onAnswer, onSilence }: ProbeEvents): void {
  let unanswered = 0
  const ask = async () => {
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
    if (next) setTimeout(() => void ask(), next === 'starting' ? STARTING_MS : RUNNING_MS)
  }
  setTimeout(() => void ask(), 0)
}
