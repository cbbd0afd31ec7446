/** Main coordination: splits a job over servers and agents, runs the parts, and joins the results. */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { Coordinator } from '../../engine/operations/coordinator.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, pageOf, service } from '../../mcp/fields.ts'
import { messageOf } from '../../std/errors.ts'
import { NO_TASK, someTask, task, taskStatus, taskSummary } from '../../views/tasks.ts'

const CONCURRENT_TASKS = 8
const taskId = () => z.string().min(1).max(100).describe('the id of a task, from coordinate or list_tasks')
const step = z.object({
  service: service(),
  tool: z.string().min(1).max(100),
  arguments: z.record(z.string(), z.unknown()).default({}),
})

export default defineServer({
  id: 'mcp_coordinator_server',
  needs: ['fleet', 'ledger'],
  singleton: true,
  state: async ({ fleet, ledger }, { log, now }) => {
    const coordinator = new Coordinator({
      fleet,
      ledger,
      now,
      sleep,
      timeout: (ms) => AbortSignal.timeout(ms),
      random: Math.random,
      maxConcurrent: CONCURRENT_TASKS,
      onError: (error) => log.error({ error: messageOf(error) }, 'a task failed unexpectedly'),
    })
    await coordinator.resume()
    return coordinator
  },
  tools: ({ read, write }) => ({
    coordinate: write({
      description:
        'Runs a task made of steps, each a call of a tool of some service, in parallel, with retries for reads and one deadline for all; returns its id at once, or the joined result with `wait`. Steps may read and write, never spend.',
      keywords: 'do a task for me, run several tools one after the other, queue a job, delegate to an agent',
      input: {
        description: z.string().min(1).max(500).describe('what the task is for'),
        steps: z.array(step).min(1).max(50),
        priority: z.int().min(0).max(9).default(5).describe('0 to 9; the highest starts first'),
        timeoutSeconds: z.int().min(1).max(3_600).default(60).describe('deadline of the whole task'),
        wait: z.boolean().default(false).describe('answer only when the task has ended'),
      },
      output: task.schema,
      examples: [
        {
          description: 'health and load',
          steps: [
            { service: 'mcp-health-check', tool: 'health', arguments: { unhealthyOnly: true } },
            { service: 'mcp_monitoring_server', tool: 'host_resources' },
          ],
          wait: true,
        },
      ],
      refusals: [
        [{ description: 'x', steps: [{ service: 'mcp_monitoring_server', tool: 'nope' }] }, 'bad-argument'],
        [{ description: 'x', steps: [{ service: 'nobody', tool: 'health' }] }, 'unknown-service'],
      ],
      run: async ({ wait, timeoutSeconds, ...job }, { state, caller, scopes, signal, progress }) => {
        const submitted = await state.submit({
          ...job,
          id: `task_${randomUUID()}`,
          caller: { name: caller, scopes },
          timeoutMs: timeoutSeconds * 1_000,
        })
        if (!wait) return task.of(submitted)
        const report = ({ steps }: typeof submitted) =>
          progress(
            steps.filter(({ status }) => status === 'done' || status === 'failed').length,
            steps.length,
          )
        return task.of(await state.finished(submitted.id, signal, report))
      },
    }),
    task_status: read({
      description: 'How far a task is: its progress, and each step with its attempts, result or error.',
      keywords: 'is my task done, progress of a job, its result',
      input: { id: taskId() },
      output: task.schema,
      examples: [someTask],
      refusals: [[NO_TASK, 'not-found']],
      run: async ({ id }, { state }) => task.of(await state.task(id)),
    }),
    list_tasks: read({
      description:
        'Tasks, newest first, on request of one status only. Their steps and results are in task_status.',
      keywords: 'which tasks are waiting or running, the queue of jobs',
      input: { status: taskStatus().optional(), ...page(100, 8) },
      output: paged('tasks', taskSummary.schema),
      examples: [{}, { status: 'running', limit: 5 }],
      run: async ({ status, ...paging }, { ledger }) => {
        const filter = status === undefined ? {} : { status }
        const tasks = await ledger.tasks({ ...filter, ...paging })
        return pageOf('tasks', tasks.map(taskSummary.of), await ledger.countTasks(filter), paging)
      },
    }),
    cancel_task: write({
      description:
        'Cancels a task: running steps are aborted, the rest is skipped, finished steps stay. A task that has ended stays as it is.',
      keywords: 'abort, stop a running job',
      destructive: true,
      idempotent: true,
      input: { id: taskId() },
      output: task.schema,
      examples: [someTask],
      refusals: [[NO_TASK, 'not-found']],
      run: async ({ id }, { state }) => task.of(await state.cancel(id)),
    }),
  }),
})
