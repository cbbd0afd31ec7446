/**
 * The state that a supervisor leaves to its successor: the fleet's state and the processes that run, as JSON.
 */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { FleetState } from '../../fleet/healing/state.ts'

/** The content of the file. */
export interface SupervisorState {
  /** Identifies the run, in ms since 1970. */
  readonly startedAt: number
  readonly fleet: FleetState
  /** The data by which the driver finds its processes again. */
  readonly processes: unknown
  /** Hash of the local chain's first block; null if none has reported. */
  readonly genesis: string | null
  /** ms from the start until everything was healthy; null before. */
  readonly readyMs: number | null
  /** By process: the pid of the program that it manages (the chain). */
  readonly managedPids: Readonly<Record<string, number>>
}

/** Undefined if there is no readable state of this run. */
export function readStateFile(path: string, startedAt: number): SupervisorState | undefined {
  try {
    const state = JSON.parse(readFileSync(path, 'utf8')) as SupervisorState
    return state.startedAt === startedAt ? state : undefined
  } catch {
    return undefined
  }
}

/**
 * Replaces the file in one step, so that a reader sees the old content or the new. Not synced: it survives
 * the supervisor, not the machine. Returns false if it cannot be written: a full disk must not end the
 * supervisor.
 */
export function writeStateFile(path: string, state: SupervisorState): boolean {
  try {
    writeFileSync(`${path}.new`, JSON.stringify(state), { mode: 0o600 })
    renameSync(`${path}.new`, path)
    return true
  } catch {
    return false
  }
}
