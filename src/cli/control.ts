/** The commands that control a running fleet: down, stop, start, restart, call. */
import { askPatiently, askSupervisor, untilGone } from '../adapters/fleet/control-client.ts'
import { stopConsequences } from '../fleet/stopping.ts'
import { socketPath } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { confirmed, terminal } from './confirm.ts'
import { color, count, seconds } from './format.ts'
import { controlSocket, type DataOptions, request, resolveUnit, runningPlan } from './run.ts'

const STOP_TIMEOUT_MS = 12_000
const RESTART_TIMEOUT_MS = 30_000
const POLL_MS = 100
const ARGUMENTS_HINT = `for example '{"symbol":"ETH"}'`

/** Stops the fleet. Throws `not-running` or `stop-timeout`. */
export async function down(options: DataOptions): Promise<void> {
  const { dataFolder } = runningPlan(options)
  const started = Date.now()
  await askSupervisor(socketPath(dataFolder, 'control'), { op: 'down' })
  if (!(await untilGone(socketPath(dataFolder, 'keeper'), STOP_TIMEOUT_MS)))
    throw new KintsugiError('stop-timeout', `the fleet has not stopped within ${seconds(STOP_TIMEOUT_MS)}`)
  const elapsed = Date.now() - started
  console.log(
    options.json
      ? JSON.stringify({ stopped: true, elapsedMs: elapsed })
      : `${color.green('✓')} fleet stopped (${seconds(elapsed)})`,
  )
}

/**
 * Stops a service and those that share its process; running calls are answered first. Throws `not-confirmed`
 * without a terminal if others stop too, and `refused` for infrastructure without `force`.
 */
export async function stopService(
  name: string,
  options: DataOptions & { for?: number; yes?: boolean; force?: boolean },
): Promise<void> {
  const control = controlSocket(options)
  const service = await resolveUnit(control, name)
  const before = await askPatiently(control, { op: 'status' })
  const { alsoStops, isInfrastructure } = stopConsequences(before.services, service)
  if (isInfrastructure && !options.force)
    throw new KintsugiError(
      'refused',
      `${service} is infrastructure: the other ${before.services.length - 1 - alsoStops.length} services depend on it`,
      { hint: 'add --force to stop it nevertheless' },
    )
  if (!isInfrastructure && alsoStops.length > 0 && !options.yes) {
    const consequence = `stopping ${service} also stops ${count(alsoStops.length, 'service')} of its process: ${alsoStops.join(', ')}`
    if (process.stdin.isTTY) console.error(consequence)
    if (!(await confirmed(consequence, 'Stop them all?', terminal()))) return
  }
  await askPatiently(control, {
    op: 'stop',
    service,
    reason: 'stopped from the command line',
    ...(options.for === undefined ? {} : { forMs: options.for * 1_000 }),
  })
  const together = [service, ...alsoStops]
  console.log(
    options.json
      ? JSON.stringify({ stopping: together })
      : `stopping ${together.join(', ')}${options.for === undefined ? '' : ` for ${seconds(options.for * 1_000)}`}`,
  )
}

/** Starts a service that was stopped or quarantined. */
export async function startService(name: string, options: DataOptions): Promise<void> {
  const control = controlSocket(options)
  const service = await resolveUnit(control, name)
  const state = await askPatiently(control, { op: 'start', service })
  console.log(options.json ? JSON.stringify(state) : `${service} is ${state.status}`)
}

/** Restarts the process of a service and waits until it is healthy. Throws `restart-timeout`. */
export async function restart(name: string, options: DataOptions): Promise<void> {
  const control = controlSocket(options)
  const service = await resolveUnit(control, name)
  const started = Date.now()
  const before = await askPatiently(control, {
    op: 'restart',
    service,
    reason: 'requested from the command line',
  })
  for (;;) {
    const { services } = await askPatiently(control, { op: 'status' })
    const found = services.find((candidate) => candidate.id === before.id)
    const elapsedMs = Date.now() - started
    // Until the replacement is ready, the old process keeps serving.
    if (found?.status === 'healthy' && found.pid !== before.pid) {
      console.log(
        options.json
          ? JSON.stringify({ ...found, elapsedMs })
          : `${color.green('✓')} ${found.id} is healthy again (${seconds(elapsedMs)}, pid ${found.pid})`,
      )
      return
    }
    if (elapsedMs > RESTART_TIMEOUT_MS)
      throw new KintsugiError(
        'restart-timeout',
        `${before.id} is ${found?.status ?? 'missing'} ${RESTART_TIMEOUT_MS / 1_000} s after the restart${found?.detail ? `: ${found.detail}` : ''}`,
        { hint: `npx kintsugi logs ${before.cell}` },
      )
    await new Promise((done) => setTimeout(done, POLL_MS))
  }
}

/** Calls a tool and prints its result as JSON. Throws `bad-json` or the tool's error. */
export async function call(
  service: string,
  tool: string,
  argumentsText: string,
  options: DataOptions,
): Promise<void> {
  const plan = runningPlan(options)
  let parsed: unknown
  try {
    parsed = JSON.parse(argumentsText)
  } catch {
    throw new KintsugiError('bad-json', `the arguments are not JSON: ${argumentsText.slice(0, 60)}`, {
      hint: ARGUMENTS_HINT,
    })
  }
  if (parsed === null || typeof parsed !== 'object' || Array.isArray(parsed))
    throw new KintsugiError('bad-json', 'the arguments must be a JSON object', { hint: ARGUMENTS_HINT })
  const { result } = await request<{ result: unknown }>(plan, service, '/query', {
    method: 'POST',
    body: JSON.stringify({ ...parsed, type: tool }),
  })
  console.log(options.json ? JSON.stringify(result) : JSON.stringify(result, null, 2))
}
