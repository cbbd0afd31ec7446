/**
 * The connections from the fleet's processes to the supervisor. Messages to a process that has not connected
 * yet are queued.
 */
import { rmSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import type { Heartbeats } from '../../fleet/healing/heartbeat.ts'
import { type FromChild, jsonLines, type ToChild, type Vitals } from './protocol.ts'

/** The facts of a process that its messages reported. */
export interface ProcessLink {
  socket: Socket | undefined
  /** Messages until it connects. */
  queue: ToChild[]
  /** Whether it is a spare that has completed its warm-up. */
  warm: boolean
  vitals: Vitals | undefined
  /** The last forced garbage collection, in ms since 1970, and the bytes it left. */
  collected: { at: number; bytes: number } | null
  /** The pid of the program that it manages (the chain). */
  managedPid: number | null
  /** ms for which health polls got no answer, by service. */
  readonly unansweredMs: Map<string, number>
}

/** The receiver of reports of links. */
export interface ProcessLinksOptions {
  readonly heartbeats: Heartbeats
  /**
   * Whether a process of this name is known. An unknown one is requested to stop: it must not serve next to
   * its successor.
   */
  expects(process: string): boolean
  /** The first message to a process that connects. */
  greeting(): ToChild
  onMet(process: string, pid: number): void
  onMessage(process: string, message: FromChild): void
  onHungUp(process: string): void
}

/** The links of all processes, by name. */
export class ProcessLinks {
  readonly #options: ProcessLinksOptions
  readonly #links = new Map<string, ProcessLink>()
  #server: Server | undefined

  constructor(options: ProcessLinksOptions) {
    this.#options = options
  }

  /** Listens on a path, and replaces an earlier listener's socket file. */
  listen(path: string): Promise<void> {
    if (process.platform !== 'win32') rmSync(path, { force: true })
    return new Promise((resolve, reject) => {
      const server = createServer((socket) => this.#accept(socket))
      server.once('error', reject)
      server.listen(path, resolve)
      this.#server = server
    })
  }

  close(): void {
    this.#server?.close()
  }

  /** The link of a process; created if there is none yet. */
  of(process: string): ProcessLink {
    let link = this.#links.get(process)
    if (!link) {
      link = {
        socket: undefined,
        queue: [],
        warm: false,
        vitals: undefined,
        collected: null,
        managedPid: null,
        unansweredMs: new Map(),
      }
      this.#links.set(process, link)
      this.#options.heartbeats.begin(process)
    }
    return link
  }

  /** The link of a process; undefined if there is none. */
  known(process: string): ProcessLink | undefined {
    return this.#links.get(process)
  }

  forget(process: string): void {
    this.#links.get(process)?.socket?.destroy()
    this.#links.delete(process)
    this.#options.heartbeats.forget(process)
  }

  /** Sends a message, now or once the process has connected. */
  send(process: string, message: ToChild): void {
    const { socket, queue } = this.of(process)
    if (socket?.writable) socket.write(`${JSON.stringify(message)}\n`)
    else queue.push(message)
  }

  /** Sends a message to every process that is connected. */
  broadcast(message: ToChild): void {
    for (const [process, { socket }] of this.#links) if (socket?.writable) this.send(process, message)
  }

  /** By process: the pid of the program that it manages. */
  managedPids(): Record<string, number> {
    return Object.fromEntries(
      [...this.#links].flatMap(([process, { managedPid }]) =>
        managedPid === null ? [] : [[process, managedPid]],
      ),
    )
  }

  #accept(socket: Socket): void {
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
      this.#connected(name, socket)
    })
    socket.on('data', (chunk) => receive(String(chunk)))
    socket.on('close', () => {
      const link = name === undefined ? undefined : this.#links.get(name)
      if (name === undefined || link?.socket !== socket) return
      link.socket = undefined
      this.#options.onHungUp(name)
    })
  }

  #connected(process: string, socket: Socket): void {
    const link = this.of(process)
    link.socket = socket
    this.#options.heartbeats.begin(process)
    this.send(process, this.#options.greeting())
    const { queue } = link
    link.queue = []
    for (const message of queue) this.send(process, message)
  }
}
