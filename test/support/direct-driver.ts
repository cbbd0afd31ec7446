/** A process driver for tests: processes are children of the test, which binds their sockets. */
import { type ChildProcess, spawn } from 'node:child_process'
import net from 'node:net'
import { exitCause } from '../../src/fleet/exit-cause.ts'
import type { Driver, DriverEvents } from '../../src/supervisor/drivers/driver.ts'

interface BoundSocket {
  fd(): number
  close(): void
}

export interface DirectDriverOptions {
  readonly ports: readonly number[]
  args(unit: string | null): readonly string[]
  readonly env: NodeJS.ProcessEnv
}

export class DirectDriver implements Driver {
  readonly children = new Map<string, ChildProcess>()
  readonly events: DriverEvents
  readonly options: DirectDriverOptions
  readonly #sockets: BoundSocket[]

  constructor(events: DriverEvents, options: DirectDriverOptions) {
    this.events = events
    this.options = options
    const Bound = (
      net as unknown as { BoundSocket: new (options: { host: string; port: number }) => BoundSocket }
    ).BoundSocket
    this.#sockets = options.ports.map((port) => new Bound({ host: '127.0.0.1', port }))
  }

  async ready(): Promise<void> {}

  spawn(process_: string, unit: string | null): void {
    const child = spawn(process.execPath, [...this.options.args(unit)], {
      env: { ...this.options.env, KINTSUGI_PROCESS: process_ },
      stdio: ['ignore', 'inherit', 'inherit', 'ignore', ...this.#sockets.map((socket) => socket.fd())],
    })
    this.children.set(process_, child)
    child.on('exit', (code, signal) => {
      this.children.delete(process_)
      this.events.onExit(process_, exitCause(code, signal))
    })
  }

  kill(process: string): void {
    this.children.get(process)?.kill('SIGKILL')
  }

  terminate(process: string): void {
    this.children.get(process)?.kill('SIGTERM')
  }

  pidOf(process: string): number | null {
    return this.children.get(process)?.pid ?? null
  }

  met(): void {}
  check(): boolean {
    return false
  }

  remember(): unknown {
    return {}
  }

  async resume(): Promise<string[]> {
    return []
  }

  end(): void {
    for (const socket of this.#sockets) socket.close()
  }
}
