/** How the supervisor makes processes, whatever they are: operating-system processes, containers, pods. The reducer does not know which. */
export interface Driver {
  /** Resolves when we are the one who decides: before, another supervisor may still be at work. */
  ready(): Promise<void>
  /** Starts what runs under this name: the process of a unit, or a spare (`unit` null), with another limit of its heap where it needs one. */
  spawn(process: string, unit: string | null, heapMb?: number): void
  kill(process: string): void
  /** Asks one that has no line to us to end in good order. */
  terminate(process: string, unit: string): void
  pidOf(process: string): number | null
  /** A process called in: its number, where it has one. */
  met(process: string, pid: number): void
  /** Looks after those whose end nobody would report. */
  check(): void
  /** What a later supervisor needs to know of them. */
  remember(): unknown
  /** Takes up what an earlier supervisor remembered and expected to run. Resolves with the names of those that are gone. */
  resume(remembered: unknown, expected: readonly string[]): Promise<string[]>
  /** Everything is stopped. */
  end(): void
}

export interface DriverEvents {
  onExit(process: string, detail: string): void
  /** Nobody is left who could start a process. */
  onLost(): void
}
