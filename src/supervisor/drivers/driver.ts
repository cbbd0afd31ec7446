/**
 * How the supervisor runs processes: as operating-system processes, containers or pods. The healing reducer
 * does not know which.
 */
import type { ExitCause } from '../../fleet/exit-cause.ts'

/** Starts and ends processes. */
export interface Driver {
  /** Resolves when this supervisor is the one in charge; until then another one may still run. */
  ready(): Promise<void>
  /**
   * Starts a process under this name for a unit, or a spare (`unit` null). `heapMb`: a heap limit other than
   * the default.
   */
  spawn(process: string, unit: string | null, heapMb?: number): void
  kill(process: string): void
  /** Asks a process that has no link to the supervisor to stop. */
  terminate(process: string, unit: string): void
  /** Null if the process is unknown or has no pid of its own. */
  pidOf(process: string): number | null
  /** A process has connected to the supervisor and reported its pid. */
  met(process: string, pid: number): void
  /**
   * Checks processes whose exit would not be reported otherwise. Returns whether there are any, so that it
   * has to be called again soon.
   */
  check(): boolean
  /** The data by which a later supervisor finds the processes again; serializable. */
  remember(): unknown
  /**
   * Adopts the processes that an earlier supervisor remembered. Resolves with the expected ones that do not
   * run any more.
   */
  resume(remembered: unknown, expected: readonly string[]): Promise<string[]>
  /** Everything is stopped. */
  end(): void
}

/** The receiver of a driver's reports. */
export interface DriverEvents {
  onExit(process: string, cause: ExitCause): void
  /** No keeper is left that could start a process. */
  onLost(): void
}
