/**
 * Tasks over services: a plan of steps, run with retries, joined into one result; durable, so that a restart
 * resumes it.
 */
import { EventEmitter, on } from 'node:events'
import { allows, scopeFor } from '../../access/scopes.ts'
import type { FleetControl } from '../../ports/fleet.ts'
import type { Ledger, Task, TaskStep } from '../../ports/ledger.ts'
import { backoffDelay } from '../../std/backoff.ts'
import { KintsugiError, toErrorReport } from '../../std/errors.ts'
import type { Random } from '../../std/random.ts'

/** One tool call of a task. */
export interface PlannedStep {
  service: string
  tool: string
  arguments: Record<string, unknown>
}

const MAX_ATTEMPTS = 3
const RETRY = { firstMs: 200, maxMs: 2_000 }

export interface CoordinatorOptions {
  readonly fleet: Pick<FleetControl, 'call' | 'tools'>
  readonly ledger: Pick<Ledger, 'saveTask' | 'task' | 'tasks'>
  /** Tasks that run at the same time. */
  readonly maxConcurrent: number
  /** ms since 1970. */
  now(): number
  /** Resolves after a time in ms. */
  sleep(ms: number): Promise<unknown>
  /** Aborts after a time in ms. */
  timeout(ms: number): AbortSignal
  readonly random: Random
  onError(error: unknown): void
}

/** Whether nothing more happens to a task. */
const hasEnded = ({ status }: Task) => status !== 'queued' && status !== 'running'

/** Runs tasks: the steps of one task in parallel, tasks by priority, then by age. */
export class Coordinator {
  readonly #options: CoordinatorOptions
  readonly #running = new Map<string, AbortController>()
  readonly #stopping = new AbortController()
  /** Emits each task under its id after each change. */
  readonly #changes = new EventEmitter().setMaxListeners(0)
  #waiting: Task[] = []

  constructor(options: CoordinatorOptions) {
    this.#options = options
  }

  /**
   * Adopts tasks that an earlier process left unfinished. Reads run again; a write that had started fails
   * with `ambiguous-outcome`.
   */
  async resume(): Promise<void> {
    const unfinished = [
      ...(await this.#options.ledger.tasks({ limit: 500, status: 'running' })),
      ...(await this.#options.ledger.tasks({ limit: 500, status: 'queued' })),
    ]
    for (const task of unfinished.reverse()) this.#enqueue(task)
  }

  /** Aborts running tasks; they stay unfinished in the ledger and are resumed by the next coordinator. */
  stop(): void {
    this.#stopping.abort(
      new KintsugiError('stopping', 'the coordinator stops; its next start resumes the task'),
    )
    for (const controller of this.#running.values()) controller.abort()
  }

  /**
   * Checks the plan against the tools of the services, records the task and queues it. Throws `bad-argument`
   * (unknown tool, tool that moves value) and `insufficient-scope`; both name the step.
   */
  async submit(
    task: Pick<Task, 'id' | 'description' | 'caller' | 'priority'> & {
      readonly timeoutMs: number
      readonly steps: readonly PlannedStep[]
    },
  ): Promise<Task> {
    await Promise.all(
      task.steps.map(async (step, index) => {
        const tools = await this.#options.fleet.tools(step.service)
        const tool = tools.find((candidate) => candidate.name === step.tool)
        if (!tool)
          throw new KintsugiError(
            'bad-argument',
            `steps.${index}.tool: ${step.service} has no tool ${JSON.stringify(step.tool)}`,
            {
              hint: `its tools: ${tools.map((candidate) => candidate.name).join(', ')}`,
            },
          )
        if (tool.effect === 'spend')
          throw new KintsugiError(
            'bad-argument',
            `steps.${index}.tool: ${step.tool} moves value; tasks may only read and write`,
          )
        const wanted = { effect: tool.effect as 'read' | 'write', service: step.service, tool: step.tool }
        if (!allows(task.caller.scopes, wanted))
          throw new KintsugiError(
            'insufficient-scope',
            `steps.${index}.tool: ${task.caller.name} may not do this: it needs the scope ${scopeFor(wanted)}`,
          )
      }),
    )
    const { now } = this.#options
    const created: Task = {
      id: task.id,
      description: task.description,
      caller: task.caller,
      priority: task.priority,
      status: 'queued',
      createdAt: now(),
      finishedAt: null,
      deadline: now() + task.timeoutMs,
      steps: task.steps.map(
        (step, index): TaskStep => ({ id: `${index + 1}`, ...step, status: 'waiting', attempts: 0 }),
      ),
    }
    await this.#save(created)
    this.#enqueue(created)
    return created
  }

  /** A task. Throws `not-found`. */
  async task(id: string): Promise<Task> {
    const task = await this.#options.ledger.task(id)
    if (task) return task
    throw new KintsugiError('not-found', `id: no task has the id ${JSON.stringify(id)}`, {
      hint: 'list_tasks lists the last ones',
    })
  }

  /**
   * A task once it has ended; `onProgress` receives it after each change. Throws `not-found`, `stopping`, and
   * what `signal` carries.
   */
  async finished(id: string, signal: AbortSignal, onProgress: (task: Task) => void): Promise<Task> {
    const ends = AbortSignal.any([signal, this.#stopping.signal])
    ends.throwIfAborted()
    const changes = on(this.#changes, id, { signal: ends })
    try {
      const present = await this.task(id)
      if (hasEnded(present)) return present
      for await (const [changed] of changes as AsyncIterable<[Task]>) {
        onProgress(changed)
        if (hasEnded(changed)) return changed
      }
      return present
    } catch (error) {
      ends.throwIfAborted()
      throw error
    } finally {
      await changes.return?.()
    }
  }

  /** Cancels a task and aborts its running steps; a finished task stays as it is. Throws `not-found`. */
  async cancel(id: string): Promise<Task> {
    const task = await this.task(id)
    if (hasEnded(task)) return task
    this.#waiting = this.#waiting.filter((waiting) => waiting.id !== id)
    this.#running.get(id)?.abort(new KintsugiError('cancelled', 'the task was cancelled'))
    const cancelled: Task = {
      ...task,
      status: 'cancelled',
      finishedAt: this.#options.now(),
      steps: task.steps.map((step) =>
        step.status === 'waiting' || step.status === 'running' ? { ...step, status: 'skipped' } : step,
      ),
    }
    await this.#save(cancelled)
    return cancelled
  }

  async #save(task: Task): Promise<void> {
    await this.#options.ledger.saveTask(task)
    this.#changes.emit(task.id, task)
  }

  #enqueue(task: Task): void {
    this.#waiting.push(task)
    this.#waiting.sort((a, b) => b.priority - a.priority || a.createdAt - b.createdAt)
    this.#next()
  }

  #next(): void {
    while (!this.#stopping.signal.aborted && this.#running.size < this.#options.maxConcurrent) {
      const task = this.#waiting.shift()
      if (!task) return
      const controller = new AbortController()
      this.#running.set(task.id, controller)
      this.#run(task, controller.signal)
        .catch(this.#options.onError)
        .finally(() => {
          this.#running.delete(task.id)
          this.#next()
        })
    }
  }

  async #run(task: Task, cancelled: AbortSignal): Promise<void> {
    const { now, timeout } = this.#options
    const signal = AbortSignal.any([cancelled, timeout(Math.max(0, task.deadline - now()))])
    let steps = [...task.steps]
    const save = async (status: Task['status'], finishedAt: number | null) => {
      if (!cancelled.aborted) await this.#save({ ...task, status, steps, finishedAt })
    }
    await save('running', null)
    await Promise.all(
      task.steps.map(async (step, index) => {
        if (step.status === 'done' || step.status === 'failed') return
        const record = async (changed: TaskStep) => {
          steps = steps.with(index, changed)
          await save('running', null)
        }
        await record(await this.#step(task, step, signal, record))
      }),
    )
    if (this.#stopping.signal.aborted) return
    await save(steps.every((step) => step.status === 'done') ? 'done' : 'failed', now())
  }

  /**
   * One step. A read is repeated if its error allows it; a write is not, as it may have taken effect. A step
   * whose effect cannot be looked up counts as a write. `record` saves that a write has started, so that a
   * later process does not repeat it either.
   */
  async #step(
    { caller }: Task,
    step: TaskStep,
    signal: AbortSignal,
    record: (started: TaskStep) => Promise<void>,
  ): Promise<TaskStep> {
    const { fleet, now, sleep, random } = this.#options
    const startedAt = now()
    const tools = await fleet.tools(step.service).catch(() => [])
    const isRead = tools.find(({ name }) => name === step.tool)?.effect === 'read'
    if (step.status === 'running')
      return {
        ...step,
        status: 'failed',
        error: {
          code: 'ambiguous-outcome',
          message: 'an earlier process started this step; its outcome is unknown',
        },
        finishedAt: now(),
      }
    if (!isRead) await record({ ...step, status: 'running', attempts: 1, startedAt })
    const attemptsAllowed = isRead ? MAX_ATTEMPTS : 1
    for (let attempt = 1; ; attempt++) {
      try {
        signal.throwIfAborted()
        const result = await fleet.call({
          service: step.service,
          tool: step.tool,
          arguments: step.arguments,
          caller,
          signal,
        })
        return { ...step, status: 'done', attempts: attempt, result, startedAt, finishedAt: now() }
      } catch (error) {
        const { code, message, retry } = toErrorReport(error)
        if (signal.aborted || retry === 'never' || attempt >= attemptsAllowed) {
          return {
            ...step,
            status: 'failed',
            attempts: attempt,
            error: signal.aborted
              ? { code: 'deadline-exceeded', message: 'the deadline passed or the task was cancelled' }
              : { code, message },
            startedAt,
            finishedAt: now(),
          }
        }
        await sleep(backoffDelay(attempt, RETRY, random))
      }
    }
  }
}
