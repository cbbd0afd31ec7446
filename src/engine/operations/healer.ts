/**
 * The slow side of healing: decides about leaks, unusual series, load, heap limits and crowded cells.
 * `HealingLoop` acts.
 */
import { CusumDetector } from '../../fleet/prediction/anomaly.ts'
import { type LeakVerdict, LeakWatch } from '../../fleet/prediction/leak.ts'
import type { CellVitals } from '../../ports/fleet.ts'
import type { ScalingPolicy } from './scaling.ts'

/** A decision of the healer. `reason` and `detail` are for people. */
export type HealingAction =
  | { readonly type: 'collect'; readonly cell: string }
  /** `urgent`: at once; otherwise when no call runs. */
  | { readonly type: 'restart'; readonly cell: string; readonly reason: string; readonly urgent: boolean }
  | {
      readonly type: 'warn'
      readonly cell: string
      readonly service: string | null
      readonly measure: string
      readonly detail: string
    }
  | { readonly type: 'scale'; readonly service: string; readonly instances: number; readonly reason: string }
  | { readonly type: 'isolate'; readonly service: string; readonly reason: string }
  /** A new heap limit for a cell; null for the default. */
  | {
      readonly type: 'resize'
      readonly cell: string
      readonly heapMb: number | null
      readonly reason: string
    }

/** A cell above this share of one processor for this long has its busiest service isolated. */
const BUSY_SHARE = 0.85
const BUSY_MS = 30_000

/**
 * A heap that stays this full without a leak gets twice its limit; an enlarged one that stays this empty gets
 * the default.
 */
const HEAP = { fullShare: 0.75, emptyShare: 0.15, upAfterMs: 20_000, downAfterMs: 1_800_000, maxMb: 4_096 }
/** Weight of a reading in the moving average of running calls. */
const LOAD_WEIGHT = 0.3

interface Watched {
  readonly process: string
  readonly leak: LeakWatch
  readonly loop: CusumDetector
  readonly services: Map<string, { latency: CusumDetector; errors: CusumDetector }>
  last: CellVitals
  lastAt: number
  collectedAt: number
  busySince: number | null
  fullSince: number | null
  emptySince: number | null
}

export interface HealerOptions {
  readonly scalable: readonly string[]
  /** Heap limit of a cell that was not resized, in bytes. */
  readonly defaultHeapBytes: number
  scaling(service: string): ScalingPolicy
}

/** A series that has left its normal range. */
export interface Departure {
  readonly cell: string
  /** Null for a measure of the whole cell. */
  readonly service: string | null
  readonly measure: string
  /** The learned normal: ms, or errors per call. */
  readonly normal: number
}

/** Decides from the vitals of all cells, given about once a second. Times in ms. */
export class Healer {
  readonly #options: HealerOptions
  readonly #cells = new Map<string, Watched>()
  readonly #load = new Map<string, { average: number; outSince: number | null; inSince: number | null }>()

  constructor(options: HealerOptions) {
    this.#options = options
  }

  /** The decisions about these vitals; `now` in ms. */
  observe(cells: Readonly<Record<string, CellVitals>>, now: number): HealingAction[] {
    for (const cell of this.#cells.keys()) if (!(cell in cells)) this.#cells.delete(cell)
    return [
      ...Object.entries(cells).flatMap(([cell, vitals]) => this.#observeCell(cell, vitals, now)),
      ...this.#scale(cells, now),
    ]
  }

  /** Series that are outside their normal range now. */
  unusual(): Departure[] {
    return [...this.#cells].flatMap(([cell, { loop, services }]) => [
      ...(loop.away ? [{ cell, service: null, measure: 'loop delay', normal: loop.normal }] : []),
      ...[...services].flatMap(([service, { latency, errors }]) => [
        ...(latency.away ? [{ cell, service, measure: 'latency', normal: latency.normal }] : []),
        ...(errors.away ? [{ cell, service, measure: 'errors', normal: errors.normal }] : []),
      ]),
    ])
  }

  #observeCell(cell: string, vitals: CellVitals, now: number): HealingAction[] {
    const watched = this.#cells.get(cell)
    if (watched?.process !== vitals.process) {
      this.#cells.set(cell, {
        process: vitals.process,
        leak: new LeakWatch(now),
        loop: new CusumDetector(),
        services: new Map(),
        last: vitals,
        lastAt: now,
        collectedAt: 0,
        busySince: null,
        fullSince: null,
        emptySince: null,
      })
      return []
    }
    const actions = [
      ...this.#leak(cell, watched, vitals, now),
      ...this.#normal(cell, watched, vitals),
      ...this.#heap(cell, watched, vitals, now),
      ...this.#crowded(watched, vitals, now),
    ]
    watched.last = vitals
    watched.lastAt = now
    return actions
  }

  #leak(
    cell: string,
    watched: Watched,
    { heapUsed, heapLimit, collected }: CellVitals,
    now: number,
  ): HealingAction[] {
    const verdicts: (LeakVerdict | undefined)[] = [
      watched.leak.observe({ at: now, bytes: heapUsed }, heapLimit),
    ]
    if (collected && collected.at > watched.collectedAt) {
      watched.collectedAt = collected.at
      verdicts.push(watched.leak.collected({ at: collected.at, bytes: collected.bytes }, heapLimit))
    }
    return verdicts.flatMap((verdict): HealingAction[] => {
      if (!verdict) return []
      if (verdict.verdict === 'collect') return [{ type: 'collect', cell }]
      const rate = `${(verdict.bytesPerSecond / 1_000).toFixed(0)} KB/s`
      const limit = `the limit of ${Math.round(heapLimit / 1e6)} MB is reached in ${Math.round(verdict.limitInMs / 1_000)} s`
      return [
        {
          type: 'restart',
          cell,
          reason: `memory grows by ${rate}; ${limit}`,
          urgent: verdict.verdict === 'urgent',
        },
      ]
    })
  }

  #normal(cell: string, watched: Watched, vitals: CellVitals): HealingAction[] {
    const actions: HealingAction[] = []
    const judge = (
      watch: CusumDetector,
      value: number,
      service: string | null,
      measure: string,
      unit: string,
    ) => {
      const departure = watch.observe(value)
      if (!departure) return
      const detail = `${measure} ${departure.value.toFixed(2)}${unit}, normally ${departure.normal.toFixed(2)}${unit}`
      actions.push({ type: 'warn', cell, service, measure, detail })
    }
    judge(watched.loop, vitals.loopDelayMs, null, 'loop delay', ' ms')
    for (const [service, now] of Object.entries(vitals.services)) {
      const before = watched.last.services[service]
      const calls = now.calls - (before?.calls ?? 0)
      if (!before || calls <= 0) continue
      const watches = watched.services.get(service) ?? {
        latency: new CusumDetector(),
        errors: new CusumDetector(),
      }
      watched.services.set(service, watches)
      judge(watches.latency, (now.durationMs - before.durationMs) / calls, service, 'latency', ' ms')
      judge(watches.errors, (now.errors - before.errors) / calls, service, 'errors', '')
    }
    return actions
  }

  #heap(cell: string, watched: Watched, { heapUsed, heapLimit }: CellVitals, now: number): HealingAction[] {
    const share = heapUsed / heapLimit
    const defaultBytes = this.#options.defaultHeapBytes
    watched.fullSince = share >= HEAP.fullShare ? (watched.fullSince ?? now) : null
    watched.emptySince =
      share <= HEAP.emptyShare && heapLimit > defaultBytes * 1.5 ? (watched.emptySince ?? now) : null
    const megabytes = Math.round(heapLimit / 2 ** 20)
    const used = `${Math.round(share * 100)} % of ${megabytes} MB`
    if (watched.fullSince !== null && now - watched.fullSince >= HEAP.upAfterMs && megabytes < HEAP.maxMb) {
      watched.fullSince = null
      return [
        {
          type: 'resize',
          cell,
          heapMb: Math.min(HEAP.maxMb, megabytes * 2),
          reason: `heap use was ${used} for ${HEAP.upAfterMs / 1_000} s`,
        },
      ]
    }
    if (watched.emptySince !== null && now - watched.emptySince >= HEAP.downAfterMs) {
      watched.emptySince = null
      return [
        {
          type: 'resize',
          cell,
          heapMb: null,
          reason: `heap use was only ${used} for ${HEAP.downAfterMs / 60_000} minutes`,
        },
      ]
    }
    return []
  }

  /**
   * A cell that is too busy for one processor has its busiest service isolated; it returns as every isolated
   * service does.
   */
  #crowded(watched: Watched, vitals: CellVitals, now: number): HealingAction[] {
    const share = (vitals.cpuMs - watched.last.cpuMs) / Math.max(1, now - watched.lastAt)
    const services = Object.entries(vitals.services)
    if (share < BUSY_SHARE || services.length < 2) {
      watched.busySince = null
      return []
    }
    watched.busySince ??= now
    if (now - watched.busySince < BUSY_MS) return []
    watched.busySince = null
    const workedMs = (service: string) =>
      (vitals.services[service]?.durationMs ?? 0) - (watched.last.services[service]?.durationMs ?? 0)
    const [busiest] = services.map(([service]) => service).sort((a, b) => workedMs(b) - workedMs(a))
    if (busiest === undefined || workedMs(busiest) <= 0) return []
    return [
      {
        type: 'isolate',
        service: busiest,
        reason: `its cell used ${Math.round(share * 100)} % of a processor for ${BUSY_MS / 1_000} s; it is the busiest service there`,
      },
    ]
  }

  #scale(cells: Readonly<Record<string, CellVitals>>, now: number): HealingAction[] {
    const running = new Map<string, { calls: number; instances: number }>()
    for (const { services } of Object.values(cells)) {
      for (const [service, vitals] of Object.entries(services)) {
        const sum = running.get(service) ?? { calls: 0, instances: 0 }
        running.set(service, { calls: sum.calls + vitals.running, instances: sum.instances + 1 })
      }
    }
    return this.#options.scalable.flatMap((service): HealingAction[] => {
      const found = running.get(service)
      if (!found) return []
      const { instances } = found
      const policy = this.#options.scaling(service)
      const load = this.#load.get(service) ?? { average: 0, outSince: null, inSince: null }
      this.#load.set(service, load)
      load.average += LOAD_WEIGHT * (found.calls / instances - load.average)
      load.outSince = load.average >= policy.outAt ? (load.outSince ?? now) : null
      load.inSince = load.average <= policy.inAt ? (load.inSince ?? now) : null
      const to = (count: number, reason: string): HealingAction[] => {
        load.outSince = null
        load.inSince = null
        return [{ type: 'scale', service, instances: count, reason }]
      }
      const { minInstances, maxInstances } = policy
      if (instances < minInstances) return to(minInstances, `the minimum is ${minInstances}`)
      if (load.outSince !== null && now - load.outSince >= policy.outAfterMs && instances < maxInstances)
        return to(
          instances + 1,
          `${load.average.toFixed(1)} running calls per instance for ${policy.outAfterMs / 1_000} s`,
        )
      if (load.inSince !== null && now - load.inSince >= policy.inAfterMs && instances > minInstances)
        return to(instances - 1, `hardly any running calls for ${policy.inAfterMs / 1_000} s`)
      return []
    })
  }
}
