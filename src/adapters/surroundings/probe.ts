/** Probes of external services: each answers whether the service is fit for use, within a deadline. */

/** A probe; its calls do not overlap. */
export interface Probe {
  /**
   * Asks the service within `deadlineMs`. Resolves with what it is, in words; rejects with a `ProbeFailure`.
   */
  ask(deadlineMs: number): Promise<string>
  close(): void
}

/** What is wrong with an external service, and what to do, in words for people. */
export class ProbeFailure extends Error {
  override readonly name = 'ProbeFailure'
  readonly advice: string

  constructor(found: string, advice: string) {
    super(found)
    this.advice = advice
  }
}

/**
 * Runs `work`; rejects with `late()` after `deadlineMs`. The signal then aborts. What arrived by then is
 * received first: this process may have been late itself.
 */
export async function within<T>(
  deadlineMs: number,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
): Promise<T> {
  const ends = new AbortController()
  const { promise, reject } = Promise.withResolvers<never>()
  const end = () => {
    reject(late())
    ends.abort()
  }
  const timer = setTimeout(() => setImmediate(end), deadlineMs)
  try {
    return await Promise.race([work(ends.signal), promise])
  } finally {
    clearTimeout(timer)
  }
}

/** How a client of a service is made, asked and closed. */
export interface KeptClient<C> {
  /** Makes a client, which connects when it is first asked. */
  create(): C
  ask(client: C): Promise<string>
  close(client: C): void
  /** What an error of `ask` means. */
  explain(error: unknown, client: C): ProbeFailure
  /** The failure of a service that does not answer within `seconds`. */
  silent(seconds: string): ProbeFailure
}

/**
 * A probe that keeps one connection. After a failure the next question opens another; a kept connection that
 * was merely closed is replaced at once, since servers close idle ones.
 */
export function keptProbe<C>({ create, ask, close, explain, silent }: KeptClient<C>): Probe {
  let kept: C | undefined
  const drop = () => {
    if (kept !== undefined) close(kept)
    kept = undefined
  }
  const attempt = async () => {
    const client = (kept ??= create())
    try {
      return await ask(client)
    } catch (error) {
      if (kept === client) drop()
      throw error instanceof ProbeFailure ? error : explain(error, client)
    }
  }
  return {
    async ask(deadlineMs) {
      const reused = kept !== undefined
      try {
        return await within(
          deadlineMs,
          (signal) =>
            attempt().catch((error) => (reused && !signal.aborted ? attempt() : Promise.reject(error))),
          () => silent(secondsText(deadlineMs)),
        )
      } catch (error) {
        drop()
        throw error
      }
    },
    close: drop,
  }
}

/** `2.5 s` for 2500. */
export const secondsText = (ms: number): string => `${Number((ms / 1_000).toFixed(1))} s`
