/** The shared record of a task: any instance reads it, the process that runs the task writes it. */
import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server'
import type { Records } from '../../ports/records.ts'
import type { Answers, Question } from '../elicitation.ts'

/** How long a task and its result can be fetched. */
export const TTL_MS = 3_600_000
const POLL_INTERVAL_MS = 500

type Status = 'working' | 'input_required' | 'completed' | 'failed' | 'cancelled'

/** A task as it is stored. */
export interface TaskRecord {
  /** The caller that created the task; other callers cannot see it. */
  readonly owner: string
  readonly status: Status
  readonly statusMessage?: string
  /** ISO 8601. */
  readonly createdAt: string
  /** ISO 8601. */
  readonly lastUpdatedAt: string
  /** Last heartbeat of the process that runs the task, in ms since 1970. */
  readonly aliveAt: number
  readonly result?: unknown
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
  readonly questions: Readonly<Record<string, Question>>
  readonly answers: Answers
}

/** The context that tasks get from their service. */
export interface TasksOptions {
  /** Prefix of task ids, by which a gateway finds the service of a task. */
  readonly service: string
  /** The records that all processes share. */
  records(): Promise<Records>
  /** ms since 1970. */
  now(): number
}

/** Whether a task has ended. */
export const isOver = ({ status }: TaskRecord): boolean =>
  status === 'completed' || status === 'failed' || status === 'cancelled'

/** The protocol's view of a task, without its result. */
export const taskView = (taskId: string, task: TaskRecord) => ({
  taskId,
  status: task.status,
  ...(task.statusMessage === undefined ? {} : { statusMessage: task.statusMessage }),
  createdAt: task.createdAt,
  lastUpdatedAt: task.lastUpdatedAt,
  ttlMs: TTL_MS,
  pollIntervalMs: POLL_INTERVAL_MS,
})

/**
 * Changes the record of a task, again if another process changed it in between. `change` returns undefined to
 * keep it. Returns the latest record, or undefined if it expired.
 */
export async function changeTask(
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

/** The JSON-RPC error of a failed task. */
export function taskError(error: unknown): NonNullable<TaskRecord['error']> {
  if (error instanceof ProtocolError) {
    const { code, message, data } = error
    return { code, message, ...(data === undefined ? {} : { data }) }
  }
  const message = error instanceof Error ? error.message : String(error)
  return { code: ProtocolErrorCode.InternalError, message }
}
