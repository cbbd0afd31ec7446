/** Tasks: repeated steps, the record of a task, and refusals before its start. */
import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, test } from 'vitest'
import type { FleetControl, ToolCall } from '../../ports/fleet.ts'
import type { Ledger, Task } from '../../ports/ledger.ts'
import { KintsugiError } from '../../std/errors.ts'
import { Coordinator, type PlannedStep } from './coordinator.ts'

const TOOLS = [
  { name: 'look', description: '', effect: 'read' },
  { name: 'change', description: '', effect: 'write' },
  { name: 'pay', description: '', effect: 'spend' },
]
const unreachable = () => new KintsugiError('service-unreachable', 'no answer', { retry: 'later' })

/** Runs all work that is ready to continue. */
const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await nextTurn()
}

/**
 * A coordinator over a fleet whose calls `answer` decides; time stands still, waits for retries are recorded
 * and skipped.
 */
function coordinatorOf(answer: (call: ToolCall, times: number) => unknown, maxConcurrent = 4) {
  const tasks = new Map<string, Task>()
  const calls: string[] = []
  const errors: unknown[] = []
  const slept: number[] = []
  const deadlines: { readonly ms: number; readonly controller: AbortController }[] = []
  const fleet: Pick<FleetControl, 'call' | 'tools'> = {
    tools: async () => TOOLS,
    call: async (call) => {
      calls.push(call.tool)
      return answer(call, calls.length)
    },
  }
  const ledger: Pick<Ledger, 'saveTask' | 'task' | 'tasks'> = {
    saveTask: async (task) => void tasks.set(task.id, task),
    task: async (id) => tasks.get(id),
    tasks: async ({ status }) => [...tasks.values()].filter((task) => !status || task.status === status),
  }
  const coordinator = new Coordinator({
    fleet,
    ledger,
    now: () => 1_000,
    sleep: async (ms) => void slept.push(ms),
    timeout: (ms) => {
      const controller = new AbortController()
      deadlines.push({ ms, controller })
      return controller.signal
    },
    random: () => 0.5,
    maxConcurrent,
    onError: (error) => errors.push(error),
  })
  const finished = (id: string) => coordinator.finished(id, new AbortController().signal, () => undefined)
  return { coordinator, tasks, calls, errors, slept, deadlines, fleet, finished }
}

const plan = (id: string, ...tools: readonly string[]) => ({
  id,
  description: id,
  caller: { name: 'tester', scopes: ['read', 'write', 'spend'] },
  priority: 0,
  timeoutMs: 60_000,
  steps: tools.map((tool): PlannedStep => ({ service: 's', tool, arguments: {} })),
})

test('a task of two steps records both results', async () => {
  const { coordinator, calls, errors, finished } = coordinatorOf((call) => `${call.tool} ok`)
  const submitted = await coordinator.submit(plan('t', 'look', 'change'))
  expect(submitted).toMatchObject({ status: 'queued', createdAt: 1_000, deadline: 61_000 })
  const task = await finished('t')
  expect(task.status).toBe('done')
  expect(task.steps.map(({ status, result, attempts }) => [status, result, attempts])).toEqual([
    ['done', 'look ok', 1],
    ['done', 'change ok', 1],
  ])
  expect([...calls].sort()).toEqual(['change', 'look'])
  expect(errors).toEqual([])
})

test('a read that fails for now is tried three times in all', async () => {
  const { coordinator, calls, slept, finished } = coordinatorOf(() => {
    throw unreachable()
  })
  await coordinator.submit(plan('t', 'look'))
  const task = await finished('t')
  expect(calls).toEqual(['look', 'look', 'look'])
  // 200 ms, then twice as long, less half of the jitter of 20 %.
  expect(slept).toEqual([180, 360])
  expect(task.status).toBe('failed')
  expect(task.steps[0]).toMatchObject({
    status: 'failed',
    attempts: 3,
    error: { code: 'service-unreachable', message: 'no answer' },
  })
})

test('a read that succeeds on its second attempt is done', async () => {
  const { coordinator, finished } = coordinatorOf((_, times) => {
    if (times === 1) throw unreachable()
    return 7
  })
  await coordinator.submit(plan('t', 'look'))
  expect((await finished('t')).steps[0]).toMatchObject({ status: 'done', attempts: 2, result: 7 })
})

test('a write that fails is never repeated: it may have taken effect', async () => {
  const { coordinator, calls, finished } = coordinatorOf(() => {
    throw unreachable()
  })
  await coordinator.submit(plan('t', 'change'))
  const task = await finished('t')
  expect(calls).toEqual(['change'])
  expect(task.steps[0]).toMatchObject({ status: 'failed', attempts: 1 })
})

test('a step whose tools cannot be listed counts as a write: it is tried once, and its start is recorded', async () => {
  const { coordinator, calls, tasks, fleet, finished } = coordinatorOf(() => {
    expect(tasks.get('t')?.steps[0]).toMatchObject({ status: 'running', attempts: 1 })
    throw unreachable()
  })
  await coordinator.submit(plan('t', 'look'))
  fleet.tools = () => Promise.reject(unreachable())
  expect((await finished('t')).steps[0]).toMatchObject({ status: 'failed', attempts: 1 })
  expect(calls).toEqual(['look'])
})

test('a read that no retry can help is tried once', async () => {
  const { coordinator, calls, finished } = coordinatorOf(() => {
    throw new KintsugiError('not-found', 'no such pool')
  })
  await coordinator.submit(plan('t', 'look'))
  expect((await finished('t')).steps[0]?.error?.code).toBe('not-found')
  expect(calls).toEqual(['look'])
})

test.each([
  ['an unknown tool', plan('t', 'look', 'dance'), 'bad-argument', 'steps.1.tool'],
  ['a tool that moves value', plan('t', 'pay'), 'bad-argument', 'steps.0.tool'],
  [
    'a tool beyond the scopes of the caller',
    { ...plan('t', 'look', 'change'), caller: { name: 'reader', scopes: ['read'] } },
    'insufficient-scope',
    'steps.1.tool',
  ],
])('%s is refused before anything starts', async (_, task, code, field) => {
  const { coordinator, calls, tasks } = coordinatorOf(() => 'ok')
  await expect(coordinator.submit(task)).rejects.toMatchObject({
    code,
    message: expect.stringContaining(field),
  })
  expect(calls).toEqual([])
  expect(tasks.size).toBe(0)
})

test('tasks beyond the limit wait, and the highest priority starts first', async () => {
  const order: string[] = []
  const releases: (() => void)[] = []
  const { coordinator, finished } = coordinatorOf(async (call) => {
    order.push(String(call.arguments.name))
    await new Promise<void>((resolve) => releases.push(resolve))
  }, 1)
  const named = (name: string, priority: number) => ({
    ...plan(name, 'look'),
    priority,
    steps: [{ service: 's', tool: 'look', arguments: { name } }],
  })
  for (const task of [named('first', 0), named('low', 1), named('high', 9)]) await coordinator.submit(task)
  for (let released = 0; released < 3; released++) {
    await settle()
    expect(order).toHaveLength(released + 1)
    releases[released]?.()
  }
  await finished('low')
  expect(order).toEqual(['first', 'high', 'low'])
})

test('a cancelled task stays cancelled, and its unfinished steps are skipped', async () => {
  const { coordinator, tasks } = coordinatorOf(
    (call) =>
      new Promise((_, reject) => {
        call.signal?.addEventListener('abort', () => reject(call.signal?.reason))
      }),
  )
  await coordinator.submit(plan('t', 'look'))
  await settle()
  expect((await coordinator.cancel('t')).status).toBe('cancelled')
  await settle()
  expect(tasks.get('t')).toMatchObject({ status: 'cancelled', steps: [{ status: 'skipped' }] })
  await expect(coordinator.cancel('nobody')).rejects.toMatchObject({ code: 'not-found' })
})

test('the deadline ends the running steps; it counts from the submission', async () => {
  const { coordinator, deadlines, finished } = coordinatorOf(
    ({ signal }) =>
      new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason))),
  )
  await coordinator.submit(plan('t', 'look'))
  await settle()
  expect(deadlines.map(({ ms }) => ms)).toEqual([60_000])
  deadlines[0]?.controller.abort()
  const task = await finished('t')
  expect(task).toMatchObject({ status: 'failed', steps: [{ error: { code: 'deadline-exceeded' } }] })
})

test('waiting for a task reports each change, and ends with the task, with the caller, or with the coordinator', async () => {
  let release = (_: string) => {}
  const { coordinator } = coordinatorOf(() => new Promise((resolve) => (release = resolve)))
  const waiting = new AbortController()
  await coordinator.submit(plan('t', 'look'))
  const seen: string[] = []
  const finished = coordinator.finished('t', waiting.signal, ({ status, steps }) =>
    seen.push(`${status} ${steps[0]?.status}`),
  )
  const left = coordinator.finished('t', waiting.signal, () => undefined).catch((error) => error)
  await settle()
  release('ok')
  expect((await finished).steps[0]).toMatchObject({ status: 'done', result: 'ok' })
  expect(seen.slice(-2)).toEqual(['running done', 'done done'])
  await coordinator.submit(plan('u', 'look'))
  const given = new AbortController()
  const aborted = coordinator.finished('u', given.signal, () => undefined).catch((error) => error)
  const stopped = coordinator.finished('u', waiting.signal, () => undefined).catch((error) => error)
  await settle()
  await expect(coordinator.finished('nobody', waiting.signal, () => undefined)).rejects.toMatchObject({
    code: 'not-found',
  })
  given.abort(new KintsugiError('cancelled', 'the caller left'))
  coordinator.stop()
  expect([(await aborted).code, (await stopped).code, (await left).status]).toEqual([
    'cancelled',
    'stopping',
    'done',
  ])
  await expect(coordinator.finished('u', waiting.signal, () => undefined)).rejects.toMatchObject({
    code: 'stopping',
  })
})

test('a new coordinator resumes unfinished tasks', async () => {
  const before = coordinatorOf(() => new Promise(() => undefined))
  await before.coordinator.submit(plan('t', 'look'))
  await settle()
  const after = coordinatorOf(() => 'ok')
  for (const [id, task] of before.tasks) after.tasks.set(id, task)
  await after.coordinator.resume()
  expect((await after.finished('t')).status).toBe('done')
  expect(after.calls).toEqual(['look'])
})

test('a write that had started before a restart is not repeated: its outcome is unknown', async () => {
  const before = coordinatorOf(() => new Promise(() => undefined))
  await before.coordinator.submit(plan('t', 'change', 'look'))
  await settle()
  before.coordinator.stop()
  const after = coordinatorOf(() => 'ok')
  for (const [id, task] of before.tasks) after.tasks.set(id, task)
  await after.coordinator.resume()
  const task = await after.finished('t')
  expect(after.calls).toEqual(['look'])
  expect(task.status).toBe('failed')
  expect(task.steps.map(({ status, error }) => [status, error?.code])).toEqual([
    ['failed', 'ambiguous-outcome'],
    ['done', undefined],
  ])
})
