/** The data folder of a start: leftovers of an earlier run, token, lease and plan. */
import { randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { rotateServiceKeys } from '../../adapters/access/service-keys.ts'
import { files, type RunPlan } from '../../processes/run/run-plan.ts'
import { isAlive, type ProcessIdentity, processesFor, signalTo } from '../../supervisor/process-identity.ts'
import { color } from '../format.ts'

/** Stops processes of an earlier run whose keeper, watcher and supervisor died at the same time. */
export function stopLeftovers(dataFolder: string): void {
  let written: Record<string, ProcessIdentity> = {}
  try {
    written = JSON.parse(readFileSync(files(dataFolder).fleet, 'utf8')).processes
  } catch {
    // Missing or torn: the process list below still finds them.
  }
  // A process started just before the crash may be missing from the file.
  const left = [...Object.values(written), ...processesFor(dataFolder)].filter(isAlive)
  if (left.length > 0)
    console.error(
      `${color.yellow('warning')} the previous run did not shut down cleanly; stopping ${new Set(left.map(({ pid }) => pid)).size} leftover processes`,
    )
  for (const identity of left) signalTo(identity, 'SIGKILL')
  while (left.some(isAlive)) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
}

/** Creates the folders, the token (once), new service keys, the next lease, and writes the plan. */
export function prepareFolder(plan: RunPlan): void {
  const paths = files(plan.dataFolder)
  mkdirSync(plan.dataFolder, { recursive: true, mode: 0o711 })
  mkdirSync(paths.logs, { recursive: true, mode: 0o700 })
  if (!existsSync(paths.token))
    writeFileSync(paths.token, randomBytes(32).toString('base64url'), { mode: 0o600 })
  rotateServiceKeys(paths.serviceKeys)
  const lease = (existsSync(paths.lease) ? Number(readFileSync(paths.lease, 'utf8')) : 0) + 1
  writeFileSync(paths.lease, String(lease), { mode: 0o600 })
  writeFileSync(paths.plan, JSON.stringify({ ...plan, lease }, null, 1), { mode: 0o600 })
}
