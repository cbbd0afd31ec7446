/** A process's line to the supervisor. A supervisor that is being replaced is called again until it answers. */
import { connect, type Socket } from 'node:net'
import { type FromChild, jsonLines, type ToChild } from './protocol.ts'

const RETRY_MS = 25
/** Without a supervisor for this long there is nobody to serve for. */
const ORPHAN_MS = 15_000

export interface SupervisorLink {
  send(message: FromChild): void
  close(): void
}

export interface SupervisorLinkOptions {
  readonly path: string
  /** The name under which the supervisor knows this process. */
  readonly process: string
  onMessage(message: ToChild): void
  /** Called on each connection, for what the supervisor must know before anything else. */
  onConnect?(): void
  onOrphaned(): void
}

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
  const dial = () => {
    const attempt = connect(path)
    attempt.setEncoding('utf8')
    attempt.on('connect', () => {
      socket = attempt
      send({ type: 'hello', process: name, pid: process.pid })
      onConnect?.()
    })
    attempt.on('error', () => undefined)
    attempt.on('data', jsonLines<ToChild>(onMessage) as unknown as (chunk: Buffer) => void)
    attempt.on('close', () => {
      if (socket === attempt) lostAt = Date.now()
      socket = undefined
      if (closed) return
      if (Date.now() - lostAt > ORPHAN_MS) onOrphaned()
      else setTimeout(dial, RETRY_MS)
    })
  }
  dial()
  return {
    send,
    close: () => {
      closed = true
      socket?.destroy()
    },
  }
}
