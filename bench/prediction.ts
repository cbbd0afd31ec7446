/**
 * Early detection and false alarms: leaks and latency anomalies, on simulated failures, compared with a fixed
 * threshold.
 * node bench/prediction.ts [processes, default 60]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { CusumDetector } from '../src/fleet/prediction/anomaly.ts'
import { LeakWatch } from '../src/fleet/prediction/leak.ts'
import { heapModel, heapUsed, latency, liveBytes } from '../src/fleet/simulation/failure-models.ts'
import { seededRandom } from '../src/std/random.ts'

const [processes = 60] = process.argv.slice(2).map(Number)
const LIMIT = 1.07e9
const HOUR = 3_600_000
const quantile = (values: number[], q: number) =>
  [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * q))] ?? Number.NaN

/** When a leak was found, in ms after its start; undefined if it was not. */
function leakFound(
  seed: number,
  hours: number,
  leak?: { perSecond: number; from: number },
): number | undefined {
  const random = seededRandom(seed)
  const model = heapModel(random, leak)
  const watch = new LeakWatch(0)
  for (let at = 0; at < hours * HOUR; at += 1_000) {
    let verdict = watch.observe({ at, bytes: heapUsed(model, at, random) }, LIMIT)
    if (verdict?.verdict === 'collect')
      verdict = watch.collected({ at, bytes: liveBytes(model, at, random) }, LIMIT)
    if (verdict && verdict.verdict !== 'collect') return at - (leak?.from ?? 0)
  }
  return undefined
}

console.log('| what | processes | found | after, median | after, worst |\n|---|---|---|---|---|')
for (const perSecond of [10_000, 100_000, 5_000_000]) {
  // After an hour, when caches are full. After a negative result the next check comes ten minutes later.
  const times = Array.from({ length: processes }, (_, seed) =>
    leakFound(seed + 1, 3, { perSecond, from: HOUR }),
  ).filter((time): time is number => time !== undefined)
  console.log(
    `| leak of ${perSecond / 1_000} KB/s | ${processes} | ${times.length} | ${(quantile(times, 0.5) / 1_000).toFixed(0)} s | ${(Math.max(...times) / 1_000).toFixed(0)} s |`,
  )
}
const wrong = Array.from({ length: processes }, (_, seed) => leakFound(seed + 1_001, 24)).filter(
  (time) => time !== undefined,
)
console.log(`| clean, 24 hours each | ${processes} | ${wrong.length} | | |`)

/**
 * When CUSUM and a fixed threshold of ten times the typical latency alarm; ms after the failure began,
 * negative for a false alarm.
 */
function alarms(
  seed: number,
  hours: number,
  failsFrom: number,
  growMs: number,
): { cusum: number | undefined; threshold: number | undefined } {
  const random = seededRandom(seed)
  const typical = 2 + random() * 40
  const watch = new CusumDetector()
  let cusum: number | undefined
  let threshold: number | undefined
  for (let at = 0; at < hours * HOUR && (cusum === undefined || threshold === undefined); at += 1_000) {
    const value = latency(random, typical, at, failsFrom, growMs)
    if (watch.observe(value) && cusum === undefined) cusum = at - failsFrom
    if (value > typical * 10 && threshold === undefined) threshold = at - failsFrom
  }
  return { cusum, threshold }
}

console.log(
  '\n| a service that grows 20 times as slow over | services | CUSUM, median after | threshold of 10 times, median after | lead, median |\n|---|---|---|---|---|',
)
for (const minutes of [5, 15, 60]) {
  const growMs = minutes * 60_000
  const each = Array.from({ length: processes }, (_, seed) => alarms(seed + 1, 2, 1_200_000, growMs)).filter(
    ({ cusum, threshold }) => (cusum ?? -1) >= 0 && (threshold ?? -1) >= 0,
  )
  const [cusum, threshold] = [
    each.map((one) => one.cusum as number),
    each.map((one) => one.threshold as number),
  ]
  const lead = each.map((one) => (one.threshold as number) - (one.cusum as number))
  console.log(
    `| ${minutes} min | ${each.length} | ${(quantile(cusum, 0.5) / 1_000).toFixed(0)} s | ${(quantile(threshold, 0.5) / 1_000).toFixed(0)} s | ${(quantile(lead, 0.5) / 1_000).toFixed(0)} s |`,
  )
}
const clean = Array.from({ length: processes }, (_, seed) =>
  alarms(seed + 5_001, 24, Number.MAX_SAFE_INTEGER, 1),
)
console.log(
  `\nfalse alarms in ${processes} services over 24 hours each: CUSUM ${clean.filter(({ cusum }) => cusum !== undefined).length}, threshold ${clean.filter(({ threshold }) => threshold !== undefined).length} services`,
)

/** Recorded on a real fleet by bench/record-failures.ts: one reading per second, null without a call. */
const recorded = JSON.parse(
  readFileSync(join(import.meta.dirname, '../test/fixtures/recorded-latency.json'), 'utf8'),
) as {
  failsFromSecond: number
  series: { service: string; fails: boolean; meanLatencyMs: (number | null)[] }[]
}
console.log(
  '\n| recorded | fails | CUSUM | threshold of 10 times | false alarms, CUSUM / threshold |\n|---|---|---|---|---|',
)
for (const { service, fails, meanLatencyMs } of recorded.series) {
  const from = recorded.failsFromSecond
  const watch = new CusumDetector()
  const typical = quantile(
    meanLatencyMs.slice(0, 120).filter((value): value is number => value !== null),
    0.5,
  )
  const cusum: number[] = []
  const threshold: number[] = []
  for (const [second, value] of meanLatencyMs.entries()) {
    if (value === null) continue
    if (watch.observe(value)) cusum.push(second)
    if (value > typical * 10) threshold.push(second)
  }
  const wrong = (alarms: number[]) => alarms.filter((second) => second < from || !fails).length
  const first = (alarms: number[]) => {
    const second = alarms.find((each) => each >= from)
    return !fails ? '' : second === undefined ? 'not seen' : `after ${second - from} s`
  }
  console.log(
    `| ${service}, typically ${typical.toFixed(1)} ms | ${fails ? 'yes' : 'no'} | ${first(cusum)} | ${first(threshold)} | ${wrong(cusum)} / ${wrong(threshold)} |`,
  )
}
