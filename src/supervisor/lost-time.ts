/** The time that the fleet loses because the machine gives it no CPU, from tick to tick. */
import type { Heartbeats } from '../fleet/healing/heartbeat.ts'
import { OverloadMeter } from '../fleet/healing/overload.ts'
import { machineFacts } from './machine-facts.ts'

/** What was lost since the last look, and what that means. */
export interface Loss {
  readonly lostMs: number
  /** The facts of the overload; null without one. */
  readonly overload: string | null
}

/** Accounts for lost time. */
export class LostTime {
  readonly #heartbeats: Heartbeats
  readonly #now: () => number
  readonly #meter: OverloadMeter
  #lostMs: number
  #at: number

  /** `overloaded`: as an earlier supervisor judged. */
  constructor(heartbeats: Heartbeats, now: () => number, overloaded: boolean) {
    this.#heartbeats = heartbeats
    this.#now = now
    this.#meter = new OverloadMeter(overloaded)
    this.#lostMs = heartbeats.lostMs
    this.#at = now()
  }

  account(): Loss {
    this.#heartbeats.account()
    const [now, total] = [this.#now(), this.#heartbeats.lostMs]
    const lostMs = total - this.#lostMs
    const overloaded = this.#meter.add(lostMs, now - this.#at)
    this.#lostMs = total
    this.#at = now
    if (!overloaded) return { lostMs, overload: null }
    const share = Math.round(this.#meter.share * 100)
    return { lostMs, overload: `processes wait for a CPU ${share} % of the time (${machineFacts()})` }
  }
}
