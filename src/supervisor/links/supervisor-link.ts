/** A process's connection to the supervisor. It reconnects while the supervisor is replaced. */
import { connect, type Socket } from 'node:net'
import { type FromChild, jsonLines, type ToChild } from './protocol.ts'

const RETRY_MS = 25
/** Without a supervisor for this long the fleet has ended. */
const ORPHAN_MS = 15_000

/** The connection of a process. */
export interface SupervisorLink {
  /** Sends a message; it is dropped while there is no connection. */
  send(message: FromChild): void
  close(): void
}

/** How a process connects, and where messages go. */
export interface SupervisorLinkOptions {
  readonly path: string
  /** The name of this process at the supervisor. */
  readonly process: string
  onMessage(message: ToChild): void
  /** Called on each connection, to send the first messages. */
  onConnect?(): void
  /** There has been no supervisor for `ORPHAN_MS`. */
  onOrphaned(): void
}

/** Connects to the supervisor, and again whenever the connection is lost. */
export function connectToSupervisor({
  path,
  process: name,
  onMessage,
  onConnect,
  onOrphaned,
}: SupervisorLinkOptions): SupervisorLink {
  let socket: Socket | undefined
  let lostAt = Date.now()
  let closed = false
  const send = (message: FromChild) => {
    if (socket?.writable) socket.write(`${JSON.stringify(message)}\n`)
  }
  const open = () => {
    const attempt = connect(path)
    const receive = jsonLines<ToChild>(onMessage)
    attempt.setEncoding('utf8')
    attempt.on('connect', () => {
      socket = attempt
      send({ type: 'hello', process: name, pid: process.pid })
      onConnect?.()
    })
    attempt.on('error', () => undefined)
    attempt.on('data', (chunk) => receive(String(chunk)))
    attempt.on('close', () => {
      if (socket === attempt) lostAt = Date.now()
      socket = undefined
      if (closed) return
      if (Date.now() - lostAt > ORPHAN_MS) onOrphaned()
      else setTimeout(open, RETRY_MS)
    })
  }
  open()
  return {
    send,
    close: () => {
      closed = true
      socket?.destroy()
    },
  }
}
