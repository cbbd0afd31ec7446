/**
 * Calls that continue as tasks (the extension `io.modelcontextprotocol/tasks`). The record of a task is
 * shared, so any instance answers for it. The process that runs a task sends heartbeats; without them the
 * task is reported as failed.
 */
import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server'
import type { Kept } from '../../ports/records.ts'
import { type Answers, type Conversation, TASKS_EXTENSION, unanswered } from '../elicitation.ts'
import { RunningTask } from './running-task.ts'
import { changeTask, isOver, type TaskRecord, type TasksOptions, taskError, taskView } from './task-record.ts'

/** A task without a heartbeat for this long is reported as failed. */
const MAX_SILENCE_MS = 15_000

/** Detaches a call from its caller and its deadline: from then on it ends when `ended` is aborted. */
export type Detach = (ended: AbortSignal) => void

/** The service in a task id; undefined for anything else. */
export const serviceOfTask = (taskId: unknown): string | undefined =>
  typeof taskId === 'string' ? /^([A-Za-z0-9_-]+)\.[0-9a-f-]{36}$/.exec(taskId)?.[1] : undefined

type Client = Pick<Conversation, 'client'>

const supportsTasks = ({ client }: Client): boolean =>
  (client.extensions as Record<string, unknown> | undefined)?.[TASKS_EXTENSION] !== undefined

/**
 * The tasks of one service. Methods that take a task id throw protocol errors; a task of another caller
 * counts as unknown.
 */
export class Tasks {
  readonly #options: TasksOptions

  constructor(options: TasksOptions) {
    this.#options = options
  }

  /**
   * Runs a call that may become a task. Resolves with the outcome of the call, or with the task once the call
   * detaches. `begin` receives the conversation to use, and registers how the call is detached from its
   * caller.
   */
  async run<T>(
    client: Conversation,
    caller: string,
    begin: (conversation: Conversation, onDetach: (detach: Detach) => void) => Promise<T>,
  ): Promise<T | Record<string, unknown>> {
    if (!supportsTasks(client)) return begin(client, () => undefined)
    const created = Promise.withResolvers<Record<string, unknown>>()
    let task: RunningTask | undefined
    let detachCall: Detach | undefined
    const detach = async () => {
      if (task) return
      const started = await RunningTask.start(this.#options, caller)
      task = started
      detachCall?.(started.ended)
      created.resolve({ resultType: 'task', ...started.view() })
    }
    const conversation: Conversation = {
      ...client,
      progress: (done, total, message) =>
        task ? task.report(progressText(done, total, message)) : client.progress(done, total, message),
      log: (level, data) => (task ? Promise.resolve() : client.log(level, data)),
      ask: (questions) => (task ? task.ask(questions) : client.ask(questions)),
      detach,
    }
    const outcome = begin(conversation, (way) => {
      detachCall = way
    })
    outcome
      .then(
        async (result) => task?.finish({ status: 'completed', result }),
        async (error) => task?.finish({ status: 'failed', error: taskError(error) }),
      )
      // A lost ledger leaves the task without heartbeats, which reports it as failed.
      .catch(() => undefined)
    return Promise.race([created.promise, outcome])
  }

  /** A task with its result, error or open questions. */
  async get(client: Client, caller: string, taskId: string): Promise<Record<string, unknown>> {
    const task = this.#withoutHeartbeatFailed((await this.#find(client, caller, taskId)).value)
    const { status, result, error, questions, answers } = task
    return {
      resultType: 'complete',
      ...taskView(taskId, task),
      ...(status === 'completed' ? { result } : {}),
      ...(status === 'failed' ? { error } : {}),
      ...(status === 'input_required' ? { inputRequests: unanswered(questions, answers) } : {}),
    }
  }

  /** Adds answers to the questions of a task; answers to other questions are ignored. */
  async update(
    client: Client,
    caller: string,
    taskId: string,
    answers: Answers,
  ): Promise<Record<string, unknown>> {
    await this.#change(client, caller, taskId, (task) => {
      const known = Object.entries(answers).filter(([key]) => Object.hasOwn(task.questions, key))
      return { ...task, answers: { ...task.answers, ...Object.fromEntries(known) } }
    })
    return { resultType: 'complete' }
  }

  /** Cancels a task that is not over. */
  async cancel(client: Client, caller: string, taskId: string): Promise<Record<string, unknown>> {
    await this.#change(client, caller, taskId, (task) => ({ ...task, status: 'cancelled' }))
    return { resultType: 'complete' }
  }

  #withoutHeartbeatFailed(task: TaskRecord): TaskRecord {
    if (isOver(task) || this.#options.now() - task.aliveAt <= MAX_SILENCE_MS) return task
    const message = 'the process that ran it ended; its effects are unknown'
    return { ...task, status: 'failed', error: { code: ProtocolErrorCode.InternalError, message } }
  }

  async #find(client: Client, caller: string, taskId: string): Promise<Kept<TaskRecord>> {
    if (!supportsTasks(client))
      throw new MissingRequiredClientCapabilityError({
        requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
      })
    const found =
      serviceOfTask(taskId) === this.#options.service
        ? await (await this.#options.records()).read<TaskRecord>('task', taskId)
        : undefined
    if (found?.value.owner !== caller)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Invalid params: there is no task ${JSON.stringify(String(taskId).slice(0, 100))}`,
      )
    return found
  }

  async #change(
    client: Client,
    caller: string,
    taskId: string,
    change: (task: TaskRecord) => TaskRecord,
  ): Promise<void> {
    await this.#find(client, caller, taskId)
    const lastUpdatedAt = new Date(this.#options.now()).toISOString()
    await changeTask(await this.#options.records(), taskId, (task) =>
      isOver(task) ? undefined : { ...change(task), lastUpdatedAt },
    )
  }
}

const progressText = (done: number, total: number | undefined, message: string | undefined): string =>
  `${done}${total === undefined ? '' : ` of ${total}`}${message ? `: ${message}` : ''}`
