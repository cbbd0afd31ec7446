/**
 * Overload: the machine gives the fleet much less CPU than it wants. While it lasts the fleet sheds load:
 * services answer what they cannot serve soon with `overloaded`, trading pauses, spares are not refilled. The
 * average is over a time in which replaced processes start: their work is no overload.
 */
import type { Draft } from './draft.ts'

/** The time constants of the average, in ms: before an overload, and while it lasts. */
const BEFORE_MS = 10_000
const MEANWHILE_MS = 5_000
/** Overload begins when the fleet waits for this share of the time, on average, and ends below the other. */
const BEGINS_AT = 0.75
const ENDS_AT = 0.45

/** Measures the share of time in which the fleet waits for a CPU, and judges it. */
export class OverloadMeter {
  #overloaded: boolean
  #share: number

  /** `overloaded`: as an earlier supervisor judged. */
  constructor(overloaded: boolean) {
    this.#overloaded = overloaded
    this.#share = overloaded ? BEGINS_AT : 0
  }

  /** The average share, from 0 to 1. */
  get share(): number {
    return this.#share
  }

  /** In the last `ms` the fleet lost `lostMs`. Returns whether it is overloaded. */
  add(lostMs: number, ms: number): boolean {
    const averageMs = this.#overloaded ? MEANWHILE_MS : BEFORE_MS
    if (ms > 0) this.#share += (1 - Math.exp(-ms / averageMs)) * (Math.min(1, lostMs / ms) - this.#share)
    this.#overloaded = this.#share >= (this.#overloaded ? ENDS_AT : BEGINS_AT)
    return this.#overloaded
  }
}

/** Overload begins, with its facts, or ends (null): an incident, and every process is told. */
export function overload(draft: Draft, detail: string | null): void {
  const { overload: present, ...rest } = draft.state
  if ((detail === null) === (present === undefined)) return
  const shared = { type: 'incident', unit: 'fleet', services: [] } as const
  draft.effects.push({ type: 'overload', on: detail !== null })
  if (detail !== null) {
    draft.state = { ...rest, overload: { at: draft.realNow, detail } }
    draft.effects.push({ ...shared, kind: 'overload', detail, action: 'load is shed, trading pauses' })
  } else if (present) {
    draft.state = rest
    const durationMs = draft.realNow - present.at
    const text = `over after ${Math.round(durationMs / 1_000)} s; at its start ${present.detail}`
    draft.effects.push({
      ...shared,
      kind: 'overload-over',
      detail: text,
      action: 'everything runs again',
      durationMs,
    })
  }
}
