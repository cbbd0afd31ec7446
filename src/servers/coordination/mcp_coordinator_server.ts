/** Main coordination: splits a job over servers and agents, runs the parts, and joins the results. */
import { randomUUID } from 'node:crypto'
import * as z from 'zod'
import { Coordinator } from '../../engine/operations/coordinator.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit, offset } from '../../mcp/fields.ts'
import type { Task } from '../../ports/ledger.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'

const CONCURRENT_TASKS = 8
let coordinator: Coordinator | undefined

const taskView = z.object({
  caller: z.string(),
  id: z.string(),
  description: z.string(),
  status: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']),
  priority: z.int(),
  createdAt: z.int(),
  finishedAt: z.int().nullable(),
  deadline: z.int(),
  progress: z.object({ done: z.int(), failed: z.int(), total: z.int() }),
  steps: z.array(
    z.object({
      id: z.string(),
      service: z.string(),
      tool: z.string(),
      status: z.string(),
      attempts: z.int(),
      result: z.unknown().optional(),
      error: z.object({ code: z.string(), message: z.string() }).optional(),
      durationMs: z.int().nullable(),
    }),
  ),
})

function view(task: Task): z.output<typeof taskView> {
  const count = (status: string) => task.steps.filter((step) => step.status === status).length
  const { caller, ...rest } = task
  return {
    ...rest,
    caller: caller.name,
    progress: { done: count('done'), failed: count('failed'), total: task.steps.length },
    steps: task.steps.map(
      ({ id, service, tool: name, status, attempts, result, error, startedAt, finishedAt }) => ({
        id,
        service,
        tool: name,
        status,
        attempts,
        ...(result === undefined ? {} : { result }),
        ...(error ? { error: { ...error } } : {}),
        durationMs: startedAt !== undefined && finishedAt !== undefined ? finishedAt - startedAt : null,
      }),
    ),
  }
}

function running(): Coordinator {
  if (!coordinator)
    throw new KintsugiError('service-unreachable', 'the coordinator is starting', { retry: 'later' })
  return coordinator
}

const id = z.string().min(1).max(100).describe('the id that coordinate returned')

export default defineServer({
  id: 'mcp_coordinator_server',
  needs: ['fleet', 'ledger'],
  singleton: true,
  state: async ({ fleet, ledger }, { log, now }) => {
    const started = new Coordinator({
      fleet,
      ledger,
      now,
      maxConcurrent: CONCURRENT_TASKS,
      onError: (error) => log.error({ error: messageOf(error) }, 'a task failed unexpectedly'),
    })
    coordinator = started
    await started.resume()
    return { stop: () => started.stop() }
  },
  tools: ({ read, write }) => ({
    coordinate: write({
      description:
        'Runs a job made of steps, each a call of a tool of some service, side by side, with retries for reads and one deadline over all; returns its id at once, or the joined result where wait is set. Steps may read and write, never spend.',
      keywords: 'do a task for me, run several tools one after the other, queue a job, delegate to an agent',
      input: {
        description: z.string().min(1).max(500).describe('what the job is for'),
        steps: z
          .array(
            z.object({
              service: z.string().min(1).max(100),
              tool: z.string().min(1).max(100),
              arguments: z.record(z.string(), z.unknown()).default({}),
            }),
          )
          .min(1)
          .max(50),
        priority: z.int().min(0).max(9).default(5).describe('9 is most urgent'),
        timeoutSeconds: z.int().min(1).max(3_600).default(60),
        wait: z.boolean().default(false).describe('answer only when the job has ended'),
      },
      output: taskView,
      examples: [
        {
          description: 'price and load',
          steps: [
            { service: 'mcp_price_feed_server', tool: 'price_query', arguments: { symbol: 'ETH' } },
            { service: 'mcp_monitoring_server', tool: 'host_resources' },
          ],
          wait: true,
        },
      ],
      run: async (
        { description, steps, priority, timeoutSeconds, wait },
        { ledger, caller, scopes, signal, progress },
      ) => {
        let task = await running().submit({
          id: `task_${randomUUID()}`,
          description,
          caller: { name: caller, scopes },
          priority,
          timeoutMs: timeoutSeconds * 1_000,
          steps,
        })
        while (wait && (task.status === 'queued' || task.status === 'running')) {
          await new Promise((resolve) => setTimeout(resolve, 50))
          signal.throwIfAborted()
          task = (await ledger.task(task.id)) ?? task
          progress(
            task.steps.filter((step) => step.status === 'done' || step.status === 'failed').length,
            task.steps.length,
          )
        }
        return view(task)
      },
    }),
    task_status: read({
      description: 'How far a job is: each step with its attempts, result or error.',
      keywords: 'is my task done, progress of a job, its result',
      input: { id },
      output: taskView,
      examples: [{ id: 'task_00000000-0000-0000-0000-000000000000' }],
      run: async ({ id: wanted }, { ledger }) => {
        const task = await ledger.task(wanted)
        if (!task)
          throw new KintsugiError('not-found', `no task has the id ${JSON.stringify(wanted)}`, {
            hint: 'list_tasks shows the last ones',
          })
        return view(task)
      },
    }),
    list_tasks: read({
      description: 'Jobs, newest first, by status where wanted.',
      keywords: 'which tasks are waiting or running, the queue of jobs',
      input: {
        status: z.enum(['queued', 'running', 'done', 'failed', 'cancelled']).optional(),
        limit: limit(100, 20),
        offset: offset(),
      },
      output: { tasks: z.array(taskView) },
      examples: [{ limit: 5 }],
      run: async ({ status, limit: most, offset: skip }, { ledger }) => ({
        tasks: (await ledger.tasks({ limit: most, offset: skip, ...(status ? { status } : {}) })).map(view),
      }),
    }),
    cancel_task: write({
      description: 'Stops a job: steps under way are aborted, the rest is skipped; what was done stays done.',
      keywords: 'abort, stop a running job',
      input: { id },
      output: taskView,
      examples: [{ id: 'task_00000000-0000-0000-0000-000000000000' }],
      run: async ({ id: wanted }) => view(await running().cancel(wanted)),
    }),
  }),
})
