/** The run plan and the log of a process. */
import pino from 'pino'
import type { Log } from '../../ports/service.ts'
import { ignoreOutputErrors } from '../run/ignore-output-errors.ts'
import { type RunPlan, readPlan } from '../run/run-plan.ts'

export interface Environment {
  readonly plan: RunPlan
  readonly log: Log & { flush?(): void }
}

/** Reads the plan named by KINTSUGI_DATA. */
export function processEnvironment(name: string): Environment {
  const plan = readPlan(process.env.KINTSUGI_DATA as string)
  ignoreOutputErrors()
  const logFile = pino.destination({ fd: 1, sync: true })
  logFile.on('error', () => undefined)
  return {
    plan,
    log: pino({ level: plan.settings.logLevel, base: { process: name, pid: process.pid } }, logFile),
  }
}
