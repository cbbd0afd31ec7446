/** Tasks of the coordinator as they are shown. */
import * as z from 'zod'
import { at, maybeAt, maybeTime, time } from '../mcp/fields.ts'
import type { Ledger, Task, TaskStep } from '../ports/ledger.ts'
import { view } from './view.ts'

/** Status of a task. */
export const taskStatus = () => z.enum(['queued', 'running', 'done', 'failed', 'cancelled'])

/** A task in a list, without its steps. */
export const taskSummary = view(
  z.object({
    id: z.string(),
    description: z.string(),
    status: taskStatus(),
    progress: z
      .object({
        done: z.int().describe('steps that succeeded'),
        failed: z.int().describe('steps that failed'),
        total: z.int(),
      })
      .describe('number of steps'),
    caller: z.string().describe('who submitted it'),
    priority: z.int().describe('0 to 9; the highest starts first'),
    ...time('createdAt'),
    ...maybeTime('finishedAt'),
    ...time('deadline'),
  }),
  (task: Task) => {
    const count = (status: TaskStep['status']) => task.steps.filter((step) => step.status === status).length
    return {
      id: task.id,
      description: task.description,
      status: task.status,
      progress: { done: count('done'), failed: count('failed'), total: task.steps.length },
      caller: task.caller.name,
      priority: task.priority,
      ...at('createdAt', task.createdAt),
      ...maybeAt('finishedAt', task.finishedAt),
      ...at('deadline', task.deadline),
    }
  },
)

/** A step of a task: one call of a tool. */
const taskStep = view(
  z.object({
    id: z.string(),
    service: z.string(),
    tool: z.string(),
    status: z.enum(['waiting', 'running', 'done', 'failed', 'skipped']),
    attempts: z.int().describe('how many times it was called'),
    result: z.unknown().optional().describe('the answer of the tool'),
    error: z.object({ code: z.string(), message: z.string() }).optional(),
    durationMs: z.int().nullable().describe('null before it has ended'),
  }),
  ({ id, service, tool, status, attempts, result, error, startedAt, finishedAt }: TaskStep) => ({
    id,
    service,
    tool,
    status,
    attempts,
    ...(result === undefined ? {} : { result }),
    ...(error === undefined ? {} : { error: { code: error.code, message: error.message } }),
    durationMs:
      startedAt === undefined || finishedAt === undefined ? null : Math.round(finishedAt - startedAt),
  }),
)

/** A task with its steps. */
export const task = view(
  z.object({ ...taskSummary.schema.shape, steps: z.array(taskStep.schema) }),
  (each: Task) => ({ ...taskSummary.of(each), steps: each.steps.map(taskStep.of) }),
)

/** An id that no task has. */
export const NO_TASK = { id: 'task_00000000-0000-0000-0000-000000000000' }

/** Arguments of an example: the newest task. */
export const someTask = {
  shown: { id: '<the id of a task>' },
  find: async ({ ledger }: { ledger: Pick<Ledger, 'tasks'> }) => {
    const [newest] = await ledger.tasks({ limit: 1 })
    return { id: newest?.id ?? NO_TASK.id }
  },
}
