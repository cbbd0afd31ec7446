/** `kintsugi doctor`: the checks of a start, as a table. */
import { resolve } from 'node:path'
import { readSettings } from '../adapters/settings.ts'
import type { Finding } from '../adapters/surroundings/finding.ts'
import { color, table } from './format.ts'
import { makePlan, type UpOptions } from './up/plan.ts'
import { inspect, misspelt } from './up/preflight.ts'

const MARKS: Readonly<Record<Finding['level'], string>> = {
  ok: color.green('✓'),
  warning: color.yellow('!'),
  fault: color.red('✗'),
}

/** Checks everything that `up` with the same options needs; exit code 1 if a fault stands against a start. */
export async function doctor(options: UpOptions): Promise<void> {
  const settings = readSettings(process.env, process.cwd())
  const plan = makePlan(options, settings, resolve(options.data))
  const findings = [...misspelt(process.env, process.cwd()), ...(await inspect(plan, settings, Date.now))]
  const faults = findings.filter(({ level }) => level === 'fault').length
  if (faults > 0) process.exitCode = 1
  if (options.json) console.log(JSON.stringify({ fit: faults === 0, findings }, null, 2))
  else console.log(findingTable(findings))
}

/** Findings with a header row. */
export const findingTable = (findings: readonly Finding[]): string =>
  table(
    findings.map(({ level, subject, value, found, advice }) => [
      `${MARKS[level]} ${subject}`,
      value,
      found,
      color.dim(advice ?? ''),
    ]),
    ['  checked', 'value', 'found', 'what to do'],
  )
