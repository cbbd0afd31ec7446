/** The common part of drivers for containers: processes are known by name, and an engine runs them. */
import type { ExitCause } from '../../fleet/exit-cause.ts'
import { messageOf } from '../../std/errors.ts'
import type { ContainerPlan } from './container-plan.ts'
import type { Driver, DriverEvents } from './driver.ts'

/** Options of all container drivers. */
export interface ContainerDriverOptions extends DriverEvents {
  /** Names the fleet: fleets on the same engine do not see each other. */
  readonly run: string
  planOf(unit: string | null, process: string, heapMb?: number): ContainerPlan
  onError(message: string): void
}

/** The delay before a lost connection to the engine is opened again. */
export const RETRY_MS = 200
/** How long a container may take to stop. */
export const STOP_SECONDS = 10

/** A driver for containers. */
export abstract class ContainerDriver<O extends ContainerDriverOptions> implements Driver {
  protected readonly options: O
  /** Processes that run or are being created. */
  protected readonly known = new Set<string>()
  protected ended = false

  constructor(options: O) {
    this.options = options
  }

  abstract kill(process: string): void
  abstract terminate(process: string): void
  abstract end(): void
  /** Creates and starts a container. */
  protected abstract create(process: string, plan: ContainerPlan): Promise<void>
  /** Names of the processes that run. */
  protected abstract running(): Promise<Set<string>>

  async ready(): Promise<void> {}

  spawn(process: string, unit: string | null, heapMb?: number): void {
    this.known.add(process)
    this.create(process, this.options.planOf(unit, process, heapMb)).catch((error) => {
      this.options.onError(`cannot start ${process}: ${messageOf(error)}`)
      this.gone(process, { kind: 'not-started', reason: messageOf(error).slice(0, 200) })
    })
  }

  /** Pids inside a container mean nothing outside. */
  pidOf(): null {
    return null
  }

  met(): void {}
  check(): boolean {
    return false
  }

  remember(): string[] {
    return [...this.known]
  }

  async resume(_remembered: unknown, expected: readonly string[]): Promise<string[]> {
    const running = await this.running()
    for (const process of expected) if (running.has(process)) this.known.add(process)
    return expected.filter((process) => !running.has(process))
  }

  protected nameOf(process: string): string {
    return `kintsugi-${this.options.run}-${process}`
  }

  protected gone(process: string, cause: ExitCause): void {
    if (this.known.delete(process)) this.options.onExit(process, cause)
  }
}
