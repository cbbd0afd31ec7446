/** The run plan and the logs of a process. */
import type { Log } from '../../ports/service.ts'
import { ProcessLogs } from '../logs/process-logs.ts'
import { ignoreOutputErrors } from '../run/ignore-output-errors.ts'
import { files, type RunPlan, readPlan } from '../run/run-plan.ts'

export interface Environment {
  readonly plan: RunPlan
  /** The log of the process as a whole. */
  readonly log: Log
  /** The logs of the services that the process hosts. */
  readonly logs: ProcessLogs
}

/** Reads the plan named by KINTSUGI_DATA. Without `unit` the process is a spare until it joins a unit. */
export function processEnvironment(unit?: string): Environment {
  const plan = readPlan(process.env.KINTSUGI_DATA as string)
  ignoreOutputErrors()
  const logs = new ProcessLogs({
    folder: files(plan.dataFolder).logs,
    level: plan.settings.logLevel,
    process: process.env.KINTSUGI_PROCESS as string,
    pid: process.pid,
    now: Date.now,
    ...(unit === undefined ? {} : { unit }),
  })
  return { plan, log: logs.own, logs }
}
