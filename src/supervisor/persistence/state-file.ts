/** What a supervisor leaves to the next one: the fleet's state, which is plain data, and who runs. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import type { FleetState } from '../../fleet/healing/state.ts'

export interface Memory {
  /** Of the run that it belongs to. */
  readonly startedAt: number
  readonly fleet: FleetState
  /** The driver's own. */
  readonly processes: unknown
  readonly genesis: string | null
  readonly readyMs: number | null
  /** Pids of what processes look after, by process. */
  readonly inner: Readonly<Record<string, number>>
}

/** Undefined where there is none, or only one of another run. */
export function readStateFile(path: string, startedAt: number): Memory | undefined {
  try {
    const memory = JSON.parse(readFileSync(path, 'utf8')) as Memory
    return memory.startedAt === startedAt ? memory : undefined
  } catch {
    return undefined
  }
}

/**
 * Through a second file, so that a reader sees the old content or the new one. Not synced: it is for a supervisor that dies, not for a machine.
 * False where it could not be written: a full disk must not end the one that mends.
 */
export function writeStateFile(path: string, memory: Memory): boolean {
  try {
    writeFileSync(`${path}.new`, JSON.stringify(memory), { mode: 0o600 })
    renameSync(`${path}.new`, path)
    return true
  } catch {
    return false
  }
}
