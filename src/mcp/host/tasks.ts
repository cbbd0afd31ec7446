/**
 * Calls that go on as tasks (the extension `io.modelcontextprotocol/tasks`). What a task is stands in the shared records, so that any instance
 * answers for it; who runs it says now and then that it lives, and a task whose process ended is reported as failed.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
} from '@modelcontextprotocol/server'
import type { Kept, Records } from '../../ports/records.ts'
import {
  type Answers,
  type Conversation,
  InputNeeded,
  type Question,
  TASKS_EXTENSION,
  unanswered,
} from '../elicitation.ts'

/** A task, and its result, can be asked for this long. */
const TTL_MS = 3_600_000
const POLL_MS = 500
/** Who runs a task looks at its record this often: for answers when it waits for them, for a cancellation always. */
const LOOK_MS = 200
const ALIVE_MS = 3_000
const DEAD_MS = 15_000

type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

interface TaskRecord {
  readonly owner: string
  readonly status: Status
  readonly statusMessage?: string
  readonly createdAt: string
  readonly lastUpdatedAt: string
  /** ms since 1970. */
  readonly aliveAt: number
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
  readonly questions: Readonly<Record<string, Question>>
  readonly answers: Answers
}

const isOver = ({ status }: TaskRecord) =>
  status === 'completed' || status === 'failed' || status === 'cancelled'

/** Frees a call from its caller and its deadline: it ends when this is aborted. */
export type Detach = (cancelled: AbortSignal) => void

export interface TasksOptions {
  /** Ids begin with it, so that a gateway knows whose they are. */
  readonly service: string
  records(): Promise<Records>
  now(): number
}

/** Whose task an id names; undefined for what is none of ours. */
export const serviceOfTask = (taskId: unknown): string | undefined =>
  typeof taskId === 'string' ? /^([A-Za-z0-9_-]+)\.[0-9a-f-]{36}$/.exec(taskId)?.[1] : undefined

export class Tasks {
  readonly #options: TasksOptions

  constructor(options: TasksOptions) {
    this.#options = options
  }

  /**
   * Runs a call that may become a task. Resolves with its outcome, or, once it detaches, with the task. `begin` gets the conversation to have,
   * and says how it is freed from its caller.
   */
  async run<T>(
    rounds: Conversation,
    caller: string,
    begin: (conversation: Conversation, onDetach: (detach: Detach) => void) => Promise<T>,
  ): Promise<T | Record<string, unknown>> {
    if (!knowsTasks(rounds)) return begin(rounds, () => undefined)
    const created = Promise.withResolvers<Record<string, unknown>>()
    let task: RunningTask | undefined
    let detach: Detach | undefined
    const conversation: Conversation = {
      ...rounds,
      progress: (done, total, message) =>
        task
          ? task.say(`${done}${total === undefined ? '' : ` of ${total}`}${message ? `: ${message}` : ''}`)
          : rounds.progress(done, total, message),
      log: (level, data) => (task ? Promise.resolve() : rounds.log(level, data)),
      ask: (questions) => (task ? task.ask(questions) : rounds.ask(questions)),
      detach: async () => {
        if (task) return
        const started = await RunningTask.start(this.#options, caller)
        task = started
        detach?.(started.cancelled)
        created.resolve({ resultType: 'task', ...started.listing() })
      },
    }
    const outcome = begin(conversation, (way) => {
      detach = way
    })
    // What is not a task any more is settled by the call itself.
    const settled = outcome.then(
      async (result) => (task ? task.finish({ status: 'completed', result }) : undefined),
      async (error) => (task ? task.finish({ status: 'failed', error: protocolError(error) }) : undefined),
    )
    settled.catch(() => undefined)
    return Promise.race([created.promise, outcome])
  }

  /** A task as it stands. Throws the protocol's own errors. */
  async get(
    client: Pick<Conversation, 'client'>,
    caller: string,
    taskId: string,
  ): Promise<Record<string, unknown>> {
    const { value } = await this.#find(client, caller, taskId)
    const dead = !isOver(value) && this.#options.now() - value.aliveAt > DEAD_MS
    const seen: TaskRecord = dead
      ? {
          ...value,
          status: 'failed',
          error: {
            code: ProtocolErrorCode.InternalError,
            message: 'the process that ran it ended: whether it had effects is not known',
          },
        }
      : value
    return {
      resultType: 'complete',
      ...listingOf(taskId, seen),
      ...(seen.status === 'completed' ? { result: seen.result } : {}),
      ...(seen.status === 'failed' ? { error: seen.error } : {}),
      ...(seen.status === 'input_required'
        ? { inputRequests: unanswered(seen.questions, seen.answers) }
        : {}),
    }
  }

  /** Takes answers to what a task has asked; those that it did not ask for are left aside. */
  async update(
    client: Pick<Conversation, 'client'>,
    caller: string,
    taskId: string,
    answers: Answers,
  ): Promise<Record<string, unknown>> {
    await this.#change(client, caller, taskId, (task) =>
      isOver(task)
        ? undefined
        : {
            ...task,
            answers: {
              ...task.answers,
              ...Object.fromEntries(
                Object.entries(answers).filter(([key]) => Object.hasOwn(task.questions, key)),
              ),
            },
          },
    )
    return { resultType: 'complete' }
  }

  async cancel(
    client: Pick<Conversation, 'client'>,
    caller: string,
    taskId: string,
  ): Promise<Record<string, unknown>> {
    await this.#change(client, caller, taskId, (task) =>
      isOver(task) ? undefined : { ...task, status: 'cancelled' },
    )
    return { resultType: 'complete' }
  }

  async #find(
    client: Pick<Conversation, 'client'>,
    caller: string,
    taskId: string,
  ): Promise<Kept<TaskRecord>> {
    if (!knowsTasks(client))
      throw new MissingRequiredClientCapabilityError({
        requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
      })
    const found =
      serviceOfTask(taskId) === this.#options.service
        ? await (await this.#options.records()).read<TaskRecord>('task', taskId)
        : undefined
    // Somebody else's is as unknown as one that never was.
    if (found?.value.owner !== caller)
      throw new ProtocolError(
        ProtocolErrorCode.InvalidParams,
        `Invalid params: there is no task ${JSON.stringify(String(taskId).slice(0, 100))}`,
      )
    return found
  }

  async #change(
    client: Pick<Conversation, 'client'>,
    caller: string,
    taskId: string,
    change: (task: TaskRecord) => TaskRecord | undefined,
  ): Promise<void> {
    await this.#find(client, caller, taskId)
    await changed(await this.#options.records(), taskId, (task) => {
      const next = change(task)
      return next && { ...next, lastUpdatedAt: new Date(this.#options.now()).toISOString() }
    })
  }
}

const knowsTasks = ({ client }: Pick<Conversation, 'client'>): boolean =>
  (client.extensions as Record<string, unknown> | undefined)?.[TASKS_EXTENSION] !== undefined

const listingOf = (taskId: string, { status, statusMessage, createdAt, lastUpdatedAt }: TaskRecord) => ({
  taskId,
  status,
  ...(statusMessage === undefined ? {} : { statusMessage }),
  createdAt,
  lastUpdatedAt,
  ttlMs: TTL_MS,
  pollIntervalMs: POLL_MS,
})

/** Changes a record, again where somebody else was first. `change` says undefined for what stays as it is. Returns the latest. */
async function changed(
  records: Records,
  taskId: string,
  change: (task: TaskRecord) => TaskRecord | undefined,
): Promise<TaskRecord | undefined> {
  for (;;) {
    const kept = await records.read<TaskRecord>('task', taskId)
    if (!kept) return undefined
    const next = change(kept.value)
    if (!next) return kept.value
    if (await records.replace('task', taskId, kept.version, next)) return next
  }
}

function protocolError(error: unknown): { code: number; message: string; data?: unknown } {
  if (error instanceof ProtocolError)
    return {
      code: error.code,
      message: error.message,
      ...(error.data === undefined ? {} : { data: error.data }),
    }
  if (error instanceof InputNeeded) return { code: ProtocolErrorCode.InternalError, message: error.message }
  return {
    code: ProtocolErrorCode.InternalError,
    message: error instanceof Error ? error.message : String(error),
  }
}

/** One task, in the process that runs it. */
class RunningTask {
  readonly #id: string
  readonly #options: TasksOptions
  readonly #records: Records
  readonly #ends = new AbortController()
  #latest: TaskRecord
  #said: string | undefined
  #waiting = false

  private constructor(id: string, options: TasksOptions, records: Records, first: TaskRecord) {
    this.#id = id
    this.#options = options
    this.#records = records
    this.#latest = first
  }

  /** Resolves when it is durable. */
  static async start(options: TasksOptions, owner: string): Promise<RunningTask> {
    const records = await options.records()
    const id = `${options.service}.${randomUUID()}`
    const now = options.now()
    const at = new Date(now).toISOString()
    const first: TaskRecord = {
      owner,
      status: 'working',
      createdAt: at,
      lastUpdatedAt: at,
      aliveAt: now,
      questions: {},
      answers: {},
    }
    await records.create('task', id, first, now + TTL_MS)
    const task = new RunningTask(id, options, records, first)
    void task.#watch()
    return task
  }

  /** Aborted when somebody cancels the task, or it is over. */
  get cancelled(): AbortSignal {
    return this.#ends.signal
  }

  listing() {
    return listingOf(this.#id, this.#latest)
  }

  say(text: string): void {
    this.#said = text
  }

  async ask(questions: Readonly<Record<string, Question>>): Promise<Answers> {
    await this.#change((task) => ({
      ...task,
      status: 'input_required',
      questions: { ...task.questions, ...questions },
    }))
    this.#waiting = true
    while (Object.keys(unanswered(questions, this.#latest.answers)).length > 0) {
      await sleep(LOOK_MS, undefined, { signal: this.#ends.signal })
      await this.#look()
    }
    this.#waiting = false
    await this.#change((task) => ({ ...task, status: 'working' }))
    return Object.fromEntries(Object.keys(questions).map((key) => [key, this.#latest.answers[key]]))
  }

  async finish(end: Pick<TaskRecord, 'status' | 'result' | 'error'>): Promise<void> {
    await this.#change((task) => ({ ...task, ...end }))
    this.#ends.abort()
  }

  async #watch(): Promise<void> {
    let toldAt = this.#options.now()
    for (;;) {
      await sleep(LOOK_MS, undefined, { signal: this.#ends.signal, ref: false }).catch(() => undefined)
      if (this.#ends.signal.aborted) return
      const due = this.#options.now() - toldAt > ALIVE_MS || this.#said !== this.#latest.statusMessage
      try {
        if (due) {
          toldAt = this.#options.now()
          await this.#change((task) => ({
            ...task,
            ...(this.#said === undefined ? {} : { statusMessage: this.#said }),
          }))
        } else if (!this.#waiting) await this.#look()
      } catch {
        // The ledger is away: the task goes on.
      }
    }
  }

  async #look(): Promise<void> {
    const kept = await this.#records.read<TaskRecord>('task', this.#id)
    this.#take(kept?.value)
  }

  async #change(change: (task: TaskRecord) => TaskRecord): Promise<void> {
    const now = this.#options.now()
    this.#take(
      await changed(this.#records, this.#id, (task) =>
        isOver(task)
          ? undefined
          : { ...change(task), aliveAt: now, lastUpdatedAt: new Date(now).toISOString() },
      ),
    )
  }

  #take(latest: TaskRecord | undefined): void {
    if (latest) this.#latest = latest
    if (!latest || latest.status === 'cancelled') this.#ends.abort()
  }
}
