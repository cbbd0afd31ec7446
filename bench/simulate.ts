/**
 * Fleet hours in virtual time, with every kind of fault.
 * node bench/simulate.ts [hours in all, default 3000] [first seed, default 1000] [mean seconds between two faults, default 120]
 */
import { simulate } from '../src/fleet/simulation/simulator.ts'

const [hours = 3_000, first = 1_000, everySeconds = 120] = process.argv.slice(2).map(Number)
const EACH = 10
const started = performance.now()
const faults: Record<string, number> = {}
let [steps, starts, worstCalm, availability, broken] = [0, 0, 0, 0, 0]
const seeds = Math.ceil(hours / EACH)
for (let seed = first; seed < first + seeds; seed++) {
  const report = simulate({ seed, hours: EACH, faultEveryMs: everySeconds * 1_000 })
  for (const [kind, count] of Object.entries(report.faults)) faults[kind] = (faults[kind] ?? 0) + count
  steps += report.steps
  starts += report.starts
  worstCalm = Math.max(worstCalm, report.calmAfterMs)
  availability += report.availability / seeds
  if (report.violations.length > 0) {
    broken++
    console.log(report.violations.join('\n'))
  }
}
const took = (performance.now() - started) / 1_000
console.log(`| fleet hours | seeds | faults | decisions | processes started | rules broken | availability of services | longest until calm | time |
|---|---|---|---|---|---|---|---|---|
| ${seeds * EACH} | ${first} to ${first + seeds - 1} | ${Object.values(faults).reduce((sum, count) => sum + count, 0)} | ${steps} | ${starts} | ${broken} | ${(availability * 100).toFixed(2)} % | ${(worstCalm / 1_000).toFixed(0)} s | ${took.toFixed(0)} s |`)
console.log(
  Object.entries(faults)
    .map(([kind, count]) => `${kind} ${count}`)
    .join(', '),
)
if (broken > 0) process.exitCode = 1
