/** The lines to the fleet's processes: they call in, and are told what to do; what is said before they call waits. */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { type FromChild, jsonLines, type ToChild, type Vitals } from './protocol.ts'

export interface Line {
  link: Socket | undefined
  /** Said before it called in. */
  waiting: ToChild[]
  lastBeat: number
  beaten: boolean
  /** A spare that has done everything beforehand. */
  warm: boolean
  vitals: Vitals | undefined
  collected: { at: number; bytes: number } | null
  /** The pid of what it looks after, where that is not itself (the chain). */
  inner: number | null
  /** Polls in a row that a service left unanswered. */
  readonly unanswered: Map<string, number>
}

export interface ProcessLinksOptions {
  monotonic(): number
  /** Whether a process of this name is known. One that is not is told to end: it is not to serve beside its successor. */
  expects(process: string): boolean
  onMet(process: string, pid: number): void
  onMessage(process: string, message: FromChild): void
  onHungUp(process: string): void
}

export class ProcessLinks {
  readonly #options: ProcessLinksOptions
  readonly #lines = new Map<string, Line>()
  #server: Server | undefined

  constructor(options: ProcessLinksOptions) {
    this.#options = options
  }

  /** Takes the place of whoever listened there before. */
  listen(path: string): Promise<void> {
    if (process.platform !== 'win32') rmSync(path, { force: true })
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#meet(socket))
      server.once('error', reject)
      server.listen(path, resolve)
      this.#server = server
    })
  }

  close(): void {
    this.#server?.close()
  }

  /** The line of a process, made if there is none yet. */
  of(process: string): Line {
    let line = this.#lines.get(process)
    if (!line) {
      line = {
        link: undefined,
        waiting: [],
        lastBeat: this.#options.monotonic(),
        beaten: false,
        warm: false,
        vitals: undefined,
        collected: null,
        inner: null,
        unanswered: new Map(),
      }
      this.#lines.set(process, line)
    }
    return line
  }

  known(process: string): Line | undefined {
    return this.#lines.get(process)
  }

  forget(process: string): void {
    this.#lines.get(process)?.link?.destroy()
    this.#lines.delete(process)
  }

  say(process: string, message: ToChild): void {
    const line = this.of(process)
    if (line.link?.writable) line.link.write(`${JSON.stringify(message)}\n`)
    else line.waiting.push(message)
  }

  inner(): Record<string, number> {
    return Object.fromEntries(
      [...this.#lines].flatMap(([process, { inner }]) => (inner === null ? [] : [[process, inner]])),
    )
  }

  #meet(socket: Socket): void {
    let name: string | undefined
    socket.setEncoding('utf8')
    socket.on('error', () => socket.destroy())
    const receive = jsonLines<FromChild>((message) => {
      if (message.type !== 'hello') {
        if (name !== undefined) this.#options.onMessage(name, message)
        return
      }
      if (!this.#options.expects(message.process)) {
        socket.write(`${JSON.stringify({ type: 'stop' } satisfies ToChild)}\n`)
        return
      }
      name = message.process
      this.#options.onMet(name, message.pid)
      const line = this.of(name)
      line.link = socket
      line.lastBeat = this.#options.monotonic()
      const { waiting } = line
      line.waiting = []
      for (const each of waiting) this.say(name, each)
    })
    socket.on('data', (chunk) => receive(String(chunk)))
    socket.on('close', () => {
      const line = name === undefined ? undefined : this.#lines.get(name)
      if (name === undefined || line?.link !== socket) return
      line.link = undefined
      this.#options.onHungUp(name)
    })
  }
}
