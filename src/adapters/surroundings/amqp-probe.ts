/** Whether RabbitMQ accepts the login of AMQP_URL: the handshake of AMQP 0-9-1 up to its tuning. */
import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'
import { addressOf, failureText } from '../connection-failure.ts'
import { type Probe, ProbeFailure, secondsText, within } from './probe.ts'

const PORT = 5_672
const TLS_PORT = 5_671
/** The protocol header that a client sends first. Source: AMQP 0-9-1, section 4.2.2. */
const HEADER = Buffer.from([65, 77, 81, 80, 0, 0, 9, 1])
const FRAME_END = 0xce
const METHOD = 1
/** Class `connection`, and the methods that its handshake uses. Source: AMQP 0-9-1, section 1.4. */
const CONNECTION = 10
const START = 10
const START_OK = 11
const TUNE = 30
const CLOSE = 50

/** A probe of the RabbitMQ at `url`. Each question opens a connection. */
export function amqpProbe(url: string): Probe {
  const { protocol, hostname, port, username, password } = new URL(url)
  const secure = protocol === 'amqps:'
  const at = addressOf(url, secure ? TLS_PORT : PORT)
  const open = (): Socket => {
    const address = { host: hostname, port: Number(port) || (secure ? TLS_PORT : PORT) }
    return secure ? connectTls({ ...address, servername: hostname }) : connect(address)
  }
  const login = {
    user: decodeURIComponent(username) || 'guest',
    password: decodeURIComponent(password) || 'guest',
  }
  return {
    ask: (deadlineMs) =>
      within(
        deadlineMs,
        (signal) => handshake(open(), at, login, signal),
        () =>
          new ProbeFailure(
            `${at} does not answer as RabbitMQ within ${secondsText(deadlineMs)}`,
            'check that RabbitMQ runs there and is not overloaded',
          ),
      ),
    close: () => undefined,
  }
}

interface Login {
  readonly user: string
  readonly password: string
}

function handshake(socket: Socket, at: string, login: Login, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>()
  let received: Buffer = Buffer.alloc(0)
  let started = false
  const refused = () =>
    new ProbeFailure(`RabbitMQ refuses the login of ${login.user}`, 'correct user and password in the URL')
  const foreign = () =>
    new ProbeFailure(`${at} does not speak AMQP 0-9-1`, 'name the address of a RabbitMQ server')
  socket.on('error', (error) =>
    reject(
      started
        ? refused()
        : new ProbeFailure(failureText(error, at), 'start RabbitMQ there, or unset AMQP_URL'),
    ),
  )
  // RabbitMQ closes the connection after a refused login.
  socket.on('close', () =>
    reject(started ? refused() : new ProbeFailure(`${at} closed the connection`, 'name a RabbitMQ server')),
  )
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk])
    if (received[0] !== METHOD) return reject(foreign())
    const frame = methodOf(received)
    if (!frame) return
    received = received.subarray(frame.length)
    if (frame.method === START) {
      started = true
      socket.write(startOk(login))
    } else if (frame.method === TUNE) resolve('RabbitMQ accepts the login')
    else reject(frame.method === CLOSE ? refused() : foreign())
  })
  signal.addEventListener('abort', () => socket.destroy(), { once: true })
  socket.write(HEADER)
  return promise.finally(() => socket.destroy())
}

/** The first method frame; undefined until it is complete. Frames of other classes have method -1. */
function methodOf(bytes: Buffer): { readonly method: number; readonly length: number } | undefined {
  if (bytes.length < 7) return undefined
  const length = 7 + bytes.readUInt32BE(3) + 1
  if (bytes.length < length) return undefined
  const valid = bytes[length - 1] === FRAME_END && bytes.readUInt16BE(7) === CONNECTION
  return { method: valid ? bytes.readUInt16BE(9) : -1, length }
}

function startOk({ user, password }: Login): Buffer {
  const long = (text: Buffer) => {
    const size = Buffer.alloc(4)
    size.writeUInt32BE(text.length)
    return Buffer.concat([size, text])
  }
  const short = (text: string) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const table = (name: string, type: string, value: Buffer) =>
    Buffer.concat([short(name), Buffer.from(type), value])
  // With this capability the server names a refused login instead of closing the connection later.
  const capabilities = long(table('authentication_failure_close', 't', Buffer.from([1])))
  const body = Buffer.concat([
    Buffer.from([0, CONNECTION, 0, START_OK]),
    long(table('capabilities', 'F', capabilities)),
    short('PLAIN'),
    long(Buffer.from(`\0${user}\0${password}`)),
    short('en_US'),
  ])
  const head = Buffer.alloc(7)
  head[0] = METHOD
  head.writeUInt32BE(body.length, 3)
  return Buffer.concat([head, body, Buffer.from([FRAME_END])])
}
