/** Admission of calls: a limit of concurrent calls that follows the delay of the event loop. */
import { AdaptiveLimit } from '../../std/adaptive-limit.ts'
import { KintsugiError } from '../../std/errors.ts'

/** Limit and clock of an `Admission`. */
export interface AdmissionOptions {
  readonly service: string
  /** Initial limit; it grows to four times as much while the event loop keeps up, and shrinks to two. */
  readonly maxConcurrent: number
  /** Current maximum delay of the event loop, in ms. */
  loopDelayMs(): number
  /** ms since 1970. */
  now(): number
}

const MAX_GROWTH = 4
const MIN_CONCURRENT = 2
/** The event loop counts as overloaded from this delay on. */
const OVERLOADED_MS = 150
/** The limit shrinks at most once in this time. */
const SHRINK_INTERVAL_MS = 1_000

/** Counts the calls that run and refuses those beyond the limit. */
export class Admission {
  readonly #options: AdmissionOptions
  readonly #limit: AdaptiveLimit
  #inFlight = 0
  #shrunkAt = 0

  constructor(options: AdmissionOptions) {
    this.#options = options
    this.#limit = new AdaptiveLimit({
      initial: options.maxConcurrent,
      min: Math.min(MIN_CONCURRENT, options.maxConcurrent),
      max: options.maxConcurrent * MAX_GROWTH,
    })
  }

  /** Calls that run now. */
  get inFlight(): number {
    return this.#inFlight
  }

  /** Runs `work` as one of the concurrent calls. Throws `too-many-calls` (retry later) at the limit. */
  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#inFlight >= this.#limit.value)
      throw new KintsugiError(
        'too-many-calls',
        `${this.#options.service} already runs ${this.#inFlight} calls`,
        { retry: 'later', hint: 'try again in a moment, or raise MAX_CONCURRENT_OPERATIONS' },
      )
    this.#inFlight++
    try {
      return await work()
    } finally {
      this.#adapt(this.#inFlight >= this.#limit.value)
      this.#inFlight--
    }
  }

  #adapt(wasFull: boolean): void {
    const { loopDelayMs, now } = this.#options
    if (loopDelayMs() > OVERLOADED_MS) {
      if (now() - this.#shrunkAt < SHRINK_INTERVAL_MS) return
      this.#shrunkAt = now()
      this.#limit.shrink()
    } else if (wasFull) this.#limit.grow()
  }
}
