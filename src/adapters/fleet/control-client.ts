/** Requests to the supervisor on its control socket, and the events of the fleet. */
import { connect } from 'node:net'
import { errorFromReport, KintsugiError } from '../../std/errors.ts'
import { onLines } from '../../std/lines.ts'
import type { ControlAnswer, ControlOp, ControlRequest, ControlResult } from './control-protocol.ts'

const TIMEOUT_MS = 10_000
/** While a supervisor is replaced, none answers for at most this long. */
const SUPERVISOR_GAP_MS = 3_000
const RETRY_MS = 50
const EVENTS_LOST_MS = 15_000

/**
 * Sends a request, and repeats it while the supervisor is being replaced; only for requests that may be
 * repeated. Throws as `askSupervisor`.
 */
export async function askPatiently<Op extends ControlOp>(
  path: string,
  request: ControlRequest<Op>,
  timeoutMs = TIMEOUT_MS,
): Promise<ControlResult<Op>> {
  const until = performance.now() + SUPERVISOR_GAP_MS
  for (;;) {
    try {
      return await askSupervisor(path, request, timeoutMs)
    } catch (error) {
      if (!(error instanceof KintsugiError) || error.code !== 'not-running' || performance.now() > until)
        throw error
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }
}

/**
 * Sends one request. Throws `not-running` if no supervisor listens, `service-unreachable` without an answer
 * in time, and the supervisor's own errors.
 */
export function askSupervisor<Op extends ControlOp>(
  path: string,
  request: ControlRequest<Op>,
  timeoutMs = TIMEOUT_MS,
): Promise<ControlResult<Op>> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    const fail = (error: KintsugiError) => {
      clearTimeout(timer)
      socket.destroy()
      reject(error)
    }
    const timer = setTimeout(
      () =>
        fail(
          new KintsugiError('service-unreachable', `no answer from the supervisor within ${timeoutMs} ms`, {
            retry: 'later',
          }),
        ),
      timeoutMs,
    )
    socket.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        notRunning(
          error.code === 'ENOENT' || error.code === 'ECONNREFUSED'
            ? `no fleet is running: nothing listens on ${path}`
            : error.message,
        ),
      ),
    )
    socket.on('connect', () => socket.write(`${JSON.stringify(request)}\n`))
    onLines(socket, (line) => {
      clearTimeout(timer)
      socket.end()
      const answer = JSON.parse(line) as ControlAnswer
      if (answer.ok) resolve(answer.result as ControlResult<Op>)
      else reject(errorFromReport(answer.error))
    })
    socket.on('close', () => fail(notRunning('the supervisor closed the connection')))
  })
}

const notRunning = (message: string): KintsugiError =>
  new KintsugiError('not-running', message, {
    hint: 'start the fleet with `npm start` or `npx kintsugi up`',
  })

/** Follows the fleet's events, across supervisors. Calls `onLost` if none answers for `EVENTS_LOST_MS`. */
export function supervisorEvents<T>(
  path: string,
  { onEvent, onLost }: { onEvent(event: T): void; onLost(): void },
): { close(): void } {
  let closed = false
  let lastSeen = performance.now()
  let current: ReturnType<typeof connect> | undefined
  const open = () => {
    const socket = connect(path)
    let connected = false
    current = socket
    socket.on('error', () => undefined)
    socket.on('connect', () => {
      connected = true
      socket.write(`${JSON.stringify({ op: 'events' } satisfies ControlRequest)}\n`)
    })
    onLines(socket, (line) => {
      const message = JSON.parse(line) as T | ControlAnswer
      const isAnswer = typeof message === 'object' && message !== null && 'ok' in message
      if (!closed && !isAnswer) onEvent(message as T)
    })
    socket.on('close', () => {
      if (closed) return
      if (connected) lastSeen = performance.now()
      if (performance.now() - lastSeen > EVENTS_LOST_MS) {
        closed = true
        onLost()
      } else setTimeout(open, RETRY_MS)
    })
  }
  open()
  return {
    close: () => {
      closed = true
      current?.destroy()
    },
  }
}

/** Waits until nothing listens on a socket. Resolves false if something still does after `timeoutMs`. */
export async function untilGone(path: string, timeoutMs: number): Promise<boolean> {
  const until = performance.now() + timeoutMs
  while (performance.now() < until) {
    const listening = await new Promise<boolean>((resolve) => {
      const socket = connect(path)
      socket.on('error', () => resolve(false))
      socket.on('connect', () => {
        resolve(true)
        socket.destroy()
      })
    })
    if (!listening) return true
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
  }
  return false
}
