import { expect, test } from 'vitest'
import { harness } from '../../../test/support/harness.ts'
import { KintsugiError } from '../../std/errors.ts'
import server from './mcp_coordinator_server.ts'

const HEALTH = { service: 'mcp-health-check', tool: 'health' }
const HOST = { service: 'mcp_monitoring_server', tool: 'host_resources' }

async function start() {
  const given = await harness(server)
  const { fleet } = given.world
  fleet.answer(HEALTH.service, HEALTH.tool, ({ arguments: args }) => ({ healthy: true, ...args }))
  fleet.answer(HOST.service, HOST.tool, () => {
    throw new KintsugiError('not-found', 'no such host')
  })
  return given
}

test('coordinate: with wait, the joined result of all steps; without, a task to ask for', async () => {
  const { call, world } = await start()
  const steps = [{ ...HEALTH, arguments: { service: 'hub' } }, HOST]
  const joined = await call('coordinate', { description: 'both', steps, wait: true, timeoutSeconds: 30 })
  expect(joined).toMatchObject({
    description: 'both',
    status: 'failed',
    caller: 'spec',
    priority: 5,
    progress: { done: 1, failed: 1, total: 2 },
    createdAt: world.now(),
    finishedAtIso: '2026-11-24T08:00:00.000Z',
    deadline: world.now() + 30_000,
    deadlineIso: '2026-11-24T08:00:30.000Z',
  })
  expect(joined.steps).toEqual([
    {
      id: '1',
      ...HEALTH,
      status: 'done',
      attempts: 1,
      result: { healthy: true, service: 'hub' },
      durationMs: 0,
    },
    {
      id: '2',
      ...HOST,
      status: 'failed',
      attempts: 1,
      error: { code: 'not-found', message: 'no such host' },
      durationMs: 0,
    },
  ])
  const queued = await call('coordinate', { description: 'later', steps: [HEALTH], priority: 9 })
  expect(queued).toMatchObject({
    status: 'queued',
    finishedAt: null,
    steps: [{ status: 'waiting', durationMs: null }],
  })
})

test('task_status: the task as it is now; an unknown one is refused', async () => {
  const { call, refusal } = await start()
  const { id } = await call('coordinate', { description: 'later', steps: [HEALTH] })
  const first = await call('coordinate', { description: 'first', steps: [HOST], wait: true })
  expect(first.progress).toEqual({ done: 0, failed: 1, total: 1 })
  expect(await call('task_status', { id: first.id })).toEqual(first)
  expect(await call('task_status', { id })).toMatchObject({
    id,
    status: 'done',
    progress: { done: 1, total: 1 },
  })
  expect(await refusal('task_status', { id: 'task_0' })).toMatchObject({ code: 'not-found' })
})

test('list_tasks: newest first, by status, a page at a time', async () => {
  const { call, world } = await start()
  expect(await call('list_tasks')).toEqual({ total: 0, nextOffset: null, tasks: [] })
  for (const [description, step] of [
    ['one', HEALTH],
    ['two', HOST],
    ['three', HEALTH],
  ] as const) {
    world.pass(1_000)
    await call('coordinate', { description, steps: [step], wait: true })
  }
  const names = ({ tasks }: { tasks: { description: string }[] }) =>
    tasks.map(({ description }) => description)
  expect(names(await call('list_tasks'))).toEqual(['three', 'two', 'one'])
  const done = await call('list_tasks', { status: 'done', limit: 1 })
  expect([done.total, done.nextOffset, ...names(done)]).toEqual([2, 1, 'three'])
  expect(names(await call('list_tasks', { status: 'done', limit: 1, offset: 1 }))).toEqual(['one'])
})

test('cancel_task: aborts the running step; a finished task stays as it is', async () => {
  const { call, world } = await start()
  let aborted = false
  world.fleet.answer(HEALTH.service, HEALTH.tool, ({ signal }) => {
    const { promise, reject } = Promise.withResolvers()
    signal?.addEventListener('abort', () => {
      aborted = true
      reject(signal.reason)
    })
    return promise
  })
  const done = await call('coordinate', { description: 'done', steps: [HOST], wait: true })
  expect(await call('cancel_task', { id: done.id })).toEqual(done)
  const { id } = await call('coordinate', { description: 'long', steps: [HEALTH] })
  await new Promise(setImmediate)
  expect(await call('cancel_task', { id })).toMatchObject({
    status: 'cancelled',
    steps: [{ status: 'skipped' }],
  })
  expect(aborted).toBe(true)
  expect((await world.ledger.task(id))?.status).toBe('cancelled')
})
