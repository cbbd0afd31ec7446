/** Clients that do not read, over real sockets: bounded memory, refusals in words, ended connections. */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { afterEach, expect, test, vi } from 'vitest'
import { toErrorReport } from '../../std/errors.ts'
import { UnreadResponses } from './unread-responses.ts'

const MIB = 1024 * 1024
/** More than the kernel buffers for one connection. */
const BODY = Buffer.alloc(16 * MIB)
const LIMITS = { maxBytes: 80 * MIB, maxClientBytes: 40 * MIB, stalledMs: 60_000, slowMs: 60_000 }

let server: Server
const sockets: Socket[] = []
afterEach(async () => {
  for (const socket of sockets.splice(0)) socket.destroy()
  server.closeAllConnections()
  server.close()
  await once(server, 'close')
})

/** A server that answers 16 MiB and names its client by the path. */
async function serve(limits: Partial<typeof LIMITS> = {}) {
  let now = 0
  const admitted: string[] = []
  const ended: string[] = []
  const unread = new UnreadResponses(() => now, { ...LIMITS, ...limits })
  server = createServer((request, response) => {
    try {
      unread.admit(String(request.url), response)
      admitted.push(String(request.url))
      response.once('close', () => response.writableFinished || ended.push(String(request.url)))
      response.end(request.url === '/small' ? 'small' : BODY)
    } catch (error) {
      response.statusCode = 503
      response.end(JSON.stringify(toErrorReport(error)))
    }
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  /** Requests without reading the answer. */
  const ignore = async (path: string): Promise<Socket> => {
    const answered = once(server, 'request')
    const socket = connect(port, '127.0.0.1').pause()
    socket.on('error', () => undefined)
    sockets.push(socket)
    socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
    await answered
    return socket
  }
  return {
    ignore,
    admitted,
    ended,
    pass: (ms: number) => {
      now += ms
    },
    ask: async (path: string) => {
      const response = await fetch(`http://127.0.0.1:${port}${path}`)
      return { status: response.status, text: await response.text() }
    },
  }
}

test('a client that leaves too much unread is refused in words; others are answered', async () => {
  const { ignore, ask } = await serve()
  for (let count = 0; count < 3; count++) await ignore('/greedy')
  const refused = await ask('/greedy')
  expect(refused.status).toBe(503)
  expect(JSON.parse(refused.text)).toMatchObject({
    code: 'busy',
    retry: 'later',
    message: expect.stringMatching(/^\/greedy leaves \d\d\.\d MiB of responses unread \(at most 40\.0 MiB\)/),
  })
  expect((await ask('/small')).text).toBe('small')
})

test('all clients together leave a bounded number of bytes unread', async () => {
  const { ignore, ask, admitted } = await serve()
  for (let client = 0; client < 200; client++) await ignore(`/client-${client}`)
  expect(await ask('/small')).toMatchObject({ status: 503, text: expect.stringContaining('clients leave') })
  // Five times 16 MiB with their headers exceed the limit of 80 MiB.
  expect(admitted).toHaveLength(5)
})

test('room is made by ending who has not read for long, not by ending who began just now', async () => {
  const { ignore, ask, pass } = await serve({ slowMs: 5_000 })
  const old = await ignore('/greedy')
  await ignore('/greedy')
  await ask('/small')
  pass(5_000)
  const recent = await ignore('/greedy')
  const ended = once(old, 'close')
  old.resume()
  expect((await ask('/greedy')).status).toBe(200)
  await ended
  expect(old.bytesRead).toBeLessThan(BODY.length)
  expect(recent.destroyed).toBe(false)
})

test('a connection that takes nothing for long is ended; one that reads slowly is not', async () => {
  const { ignore, ended } = await serve({ stalledMs: 500 })
  await ignore('/stalled')
  const slow = await ignore('/slow')
  const reading = setInterval(() => {
    slow.resume()
    setImmediate(() => slow.pause())
  }, 10)
  await vi.waitFor(() => expect(ended).toEqual(['/stalled']), { timeout: 10_000 })
  await vi.waitFor(() => expect(slow.bytesRead).toBeGreaterThan(BODY.length), { timeout: 10_000 })
  clearInterval(reading)
  expect(ended).toEqual(['/stalled'])
})

test('an answer that takes long is waited for', async () => {
  await serve({ stalledMs: 50 })
  server.removeAllListeners('request')
  const unread = new UnreadResponses(Date.now, { ...LIMITS, stalledMs: 50 })
  server.on('request', (_request, response) => {
    unread.admit('patient', response)
    setTimeout(() => response.end('late'), 300)
  })
  const { port } = server.address() as AddressInfo
  expect(await (await fetch(`http://127.0.0.1:${port}/`)).text()).toBe('late')
})
