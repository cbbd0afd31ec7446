/** Turns at expensive work: few run at once, few more wait, and the rest is refused at once. */
import { KintsugiError } from './errors.ts'

/** The limits of turns at one kind of work. */
export interface TurnLimits {
  /** Works that run at once. */
  readonly max: number
  /** Works that wait, of all clients and of one. */
  readonly maxWaiting: number
  readonly maxClientWaiting: number
}

interface Waiting {
  readonly client: string
  start(): void
}

/** Turns at one kind of work. */
export class Turns {
  readonly #limits: TurnLimits
  readonly #waiting: Waiting[] = []
  #running = 0

  constructor(limits: TurnLimits) {
    this.#limits = limits
  }

  /** Runs `work` in its turn, in the order of the calls. Throws `busy` (retry later) if too many wait. */
  async run<T>(client: string, work: () => Promise<T>): Promise<T> {
    if (this.#running < this.#limits.max) this.#running++
    else await this.#turn(client)
    try {
      return await work()
    } finally {
      // The place passes to the next one directly, so that none overtakes it.
      const next = this.#waiting.shift()
      if (next) next.start()
      else this.#running--
    }
  }

  #turn(client: string): Promise<void> {
    const { max, maxWaiting, maxClientWaiting } = this.#limits
    const own = this.#waiting.filter((each) => each.client === client).length
    const all = this.#waiting.length
    if (own >= maxClientWaiting || all >= maxWaiting)
      throw new KintsugiError(
        'busy',
        own >= maxClientWaiting
          ? `${own} reads of ${client} wait already, the maximum for one client`
          : `${all} reads wait already, the maximum`,
        { retry: 'later', hint: `${max} run at a time; send the next one when one is answered` },
      )
    return new Promise((resolve) => this.#waiting.push({ client, start: resolve }))
  }
}
