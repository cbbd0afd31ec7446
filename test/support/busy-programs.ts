/** Programs that want all of the machine, beside a fleet that must not mistake its own slowness for failures. */
import { type ChildProcess, spawn } from 'node:child_process'

/** Kinds of incidents that replace or separate processes. A busy machine alone causes none. */
export const REPLACEMENTS: ReadonlySet<string> = new Set([
  'hung',
  'exited',
  'quarantined',
  'isolated',
  'not-reconnected',
  'stayed-unwell',
  'hand-over-failed',
])

/** Busy loops, each in a session of its own: Linux shares the CPU with them as among programs. */
export class BusyPrograms {
  readonly #running: ChildProcess[] = []

  start(count: number): void {
    for (let started = 0; started < count; started++)
      this.#running.push(spawn(process.execPath, ['-e', 'for(;;);'], { detached: true, stdio: 'ignore' }))
  }

  end(): void {
    for (const program of this.#running.splice(0)) program.kill('SIGKILL')
  }
}
