/** The slow side of healing: what a leak, a service that leaves its normal, load and a crowded cell call for. Decides; somebody else acts. */
import * as z from 'zod'
import { CusumDetector } from '../../fleet/prediction/anomaly.ts'
import { type LeakVerdict, LeakWatch } from '../../fleet/prediction/leak.ts'
import type { CellVitals } from '../../ports/fleet.ts'

/** What is away from its normal, and restarts that wait for a quiet moment, as tools tell it. */
export const predictions = z.object({
  unusual: z.array(
    z.object({ cell: z.string(), service: z.string().nullable(), measure: z.string(), normal: z.number() }),
  ),
  restartsWaiting: z.array(z.string()),
})

export type HealingAction =
  | { readonly type: 'collect'; readonly cell: string }
  /** `urgent`: it does not wait for a quiet moment. */
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
  /** Another limit for a cell's heap; null for the usual one. */
  | {
      readonly type: 'resize'
      readonly cell: string
      readonly heapMb: number | null
      readonly reason: string
    }

export interface ScalingPolicy {
  readonly least: number
  readonly most: number
  /** Calls running per instance, as an average, at which one is added or taken away. */
  readonly outAt: number
  readonly inAt: number
  /** How long it must be so. */
  readonly outAfterMs: number
  readonly inAfterMs: number
}

export const SCALING: ScalingPolicy = {
  least: 1,
  most: 3,
  outAt: 6,
  inAt: 0.5,
  outAfterMs: 8_000,
  inAfterMs: 60_000,
}

/** Where the ledger keeps people's own policies, by service. */
export const SCALING_SETTING = 'scaling'

/** A cell that needs more of one processor than this, for this long, gives its busiest service a process of its own. */
const BUSY_SHARE = 0.85
const BUSY_MS = 30_000

/** A heap that stays this full, and is no leak, gets twice its limit; one that was given more and stays this empty goes back to the usual one. */
const HEAP = { fullShare: 0.75, emptyShare: 0.15, upAfterMs: 20_000, downAfterMs: 1_800_000, mostMb: 4_096 }

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
  /** The limit of a cell's heap where nothing else was asked for, in bytes. */
  readonly usualHeapBytes: number
  scaling(service: string): ScalingPolicy
}

/** Feed it the vitals of all cells, every second or so. Times in ms. */
export class Healer {
  readonly #options: HealerOptions
  readonly #cells = new Map<string, Watched>()
  readonly #load = new Map<string, { average: number; outSince: number | null; inSince: number | null }>()

  constructor(options: HealerOptions) {
    this.#options = options
  }

  observe(cells: Readonly<Record<string, CellVitals>>, now: number): HealingAction[] {
    for (const cell of this.#cells.keys()) if (!(cell in cells)) this.#cells.delete(cell)
    return [
      ...Object.entries(cells).flatMap(([cell, vitals]) => this.#observeCell(cell, vitals, now)),
      ...this.#scale(cells, now),
    ]
  }

  /** What is away from its normal now, for people. */
  unusual(): { cell: string; service: string | null; measure: string; normal: number }[] {
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
      const until = `its limit of ${Math.round(heapLimit / 1e6)} MB would be reached in ${Math.round(verdict.limitInMs / 1_000)} s`
      return [
        {
          type: 'restart',
          cell,
          reason: `its memory grows by ${rate}; ${until}`,
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
      const detail = `${measure} ${departure.value.toFixed(2)}${unit}, usually ${departure.normal.toFixed(2)}${unit}`
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
    const usual = this.#options.usualHeapBytes
    watched.fullSince = share >= HEAP.fullShare ? (watched.fullSince ?? now) : null
    watched.emptySince =
      share <= HEAP.emptyShare && heapLimit > usual * 1.5 ? (watched.emptySince ?? now) : null
    const megabytes = Math.round(heapLimit / 2 ** 20)
    const of = `${Math.round(share * 100)} % of its ${megabytes} MB`
    if (watched.fullSince !== null && now - watched.fullSince >= HEAP.upAfterMs && megabytes < HEAP.mostMb) {
      watched.fullSince = null
      return [
        {
          type: 'resize',
          cell,
          heapMb: Math.min(HEAP.mostMb, megabytes * 2),
          reason: `it has needed ${of} of heap for ${HEAP.upAfterMs / 1_000} s`,
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
          reason: `it has needed only ${of} of heap for ${HEAP.downAfterMs / 60_000} minutes`,
        },
      ]
    }
    return []
  }

  /** Services of a cell that is too busy for one processor: the busiest moves out, and comes home as isolated services do. */
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
    const worked = (service: string) =>
      (vitals.services[service]?.durationMs ?? 0) - (watched.last.services[service]?.durationMs ?? 0)
    const [busiest] = services.map(([service]) => service).sort((a, b) => worked(b) - worked(a))
    if (busiest === undefined || worked(busiest) <= 0) return []
    return [
      {
        type: 'isolate',
        service: busiest,
        reason: `its cell has needed ${Math.round(share * 100)} % of a processor for ${BUSY_MS / 1_000} s, and it is the busiest there`,
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
      const now_ = running.get(service)
      if (!now_) return []
      const { instances } = now_
      const policy = this.#options.scaling(service)
      const load = this.#load.get(service) ?? { average: 0, outSince: null, inSince: null }
      this.#load.set(service, load)
      load.average += 0.3 * (now_.calls / instances - load.average)
      load.outSince = load.average >= policy.outAt ? (load.outSince ?? now) : null
      load.inSince = load.average <= policy.inAt ? (load.inSince ?? now) : null
      const to = (count: number, reason: string): HealingAction[] => {
        load.outSince = null
        load.inSince = null
        return [{ type: 'scale', service, instances: count, reason }]
      }
      if (instances < policy.least) return to(policy.least, `at least ${policy.least} are wanted`)
      if (load.outSince !== null && now - load.outSince >= policy.outAfterMs && instances < policy.most)
        return to(
          instances + 1,
          `${load.average.toFixed(1)} calls run per instance, for ${policy.outAfterMs / 1_000} s`,
        )
      if (load.inSince !== null && now - load.inSince >= policy.inAfterMs && instances > policy.least)
        return to(instances - 1, `hardly a call runs, for ${policy.inAfterMs / 1_000} s`)
      return []
    })
  }
}
