/**
 * One task in the process that runs it: heartbeat, progress, questions and cancellation through the shared
 * record.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Records } from '../../ports/records.ts'
import { type Answers, type Question, unanswered } from '../elicitation.ts'
import { changeTask, isOver, type TaskRecord, type TasksOptions, TTL_MS, taskView } from './task-record.ts'

/** How often the record is read: for answers while the task waits for them, for a cancellation always. */
const POLL_MS = 200
const HEARTBEAT_MS = 3_000

/** A task that runs in this process. */
export class RunningTask {
  readonly #id: string
  readonly #options: TasksOptions
  readonly #records: Records
  readonly #controller = new AbortController()
  #latest: TaskRecord
  #statusMessage: string | undefined
  #waiting = false

  private constructor(id: string, options: TasksOptions, records: Records, first: TaskRecord) {
    this.#id = id
    this.#options = options
    this.#records = records
    this.#latest = first
  }

  /** Creates a task. Resolves once its record is durable. */
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

  /** Aborted when the task is cancelled or over. */
  get ended(): AbortSignal {
    return this.#controller.signal
  }

  /** The protocol's view of the task. */
  view() {
    return taskView(this.#id, this.#latest)
  }

  /** Sets the status message, which is written with the next poll. */
  report(message: string): void {
    this.#statusMessage = message
  }

  /** Waits for the answers to all questions. Rejects when the task ends. */
  async ask(questions: Readonly<Record<string, Question>>): Promise<Answers> {
    await this.#change((task) => ({
      ...task,
      status: 'input_required',
      questions: { ...task.questions, ...questions },
    }))
    this.#waiting = true
    while (Object.keys(unanswered(questions, this.#latest.answers)).length > 0) {
      await sleep(POLL_MS, undefined, { signal: this.#controller.signal })
      await this.#poll()
    }
    this.#waiting = false
    await this.#change((task) => ({ ...task, status: 'working' }))
    return Object.fromEntries(Object.keys(questions).map((key) => [key, this.#latest.answers[key]]))
  }

  /** Records the outcome and ends the task. */
  async finish(outcome: Pick<TaskRecord, 'status' | 'result' | 'error'>): Promise<void> {
    await this.#change((task) => ({ ...task, ...outcome }))
    this.#controller.abort()
  }

  async #watch(): Promise<void> {
    let writtenAt = this.#options.now()
    for (;;) {
      await sleep(POLL_MS, undefined, { signal: this.#controller.signal, ref: false }).catch(() => undefined)
      if (this.#controller.signal.aborted) return
      const statusMessage = this.#statusMessage
      const due =
        this.#options.now() - writtenAt > HEARTBEAT_MS || statusMessage !== this.#latest.statusMessage
      try {
        if (due) {
          writtenAt = this.#options.now()
          await this.#change((task) => ({
            ...task,
            ...(statusMessage === undefined ? {} : { statusMessage }),
          }))
        } else if (!this.#waiting) await this.#poll()
      } catch {
        // The ledger is unavailable; the task continues.
      }
    }
  }

  async #poll(): Promise<void> {
    const kept = await this.#records.read<TaskRecord>('task', this.#id)
    this.#update(kept?.value)
  }

  async #change(change: (task: TaskRecord) => TaskRecord): Promise<void> {
    const now = this.#options.now()
    const beat = { aliveAt: now, lastUpdatedAt: new Date(now).toISOString() }
    this.#update(
      await changeTask(this.#records, this.#id, (task) =>
        isOver(task) ? undefined : { ...change(task), ...beat },
      ),
    )
  }

  #update(latest: TaskRecord | undefined): void {
    if (latest) this.#latest = latest
    if (!latest || latest.status === 'cancelled') this.#controller.abort()
  }
}
