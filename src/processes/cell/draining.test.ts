/**
 * Draining: a server that stops accepting still answers requests in progress, and asks its clients to close.
 */
import { once } from 'node:events'
import { Agent, createServer, get, type IncomingMessage, type Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { drain, stopAccepting } from './draining.ts'

const TIMING = { lingerMs: 20, drainMs: 1_000, sweepMs: 5 }
const opened: { close(): unknown }[] = []
afterEach(() => {
  for (const each of opened.splice(0)) each.close()
})

async function started(
  respond: Parameters<typeof createServer>[1],
): Promise<{ server: Server; port: number }> {
  const server = createServer(respond)
  opened.push(server)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, port: (server.address() as AddressInfo).port }
}

function keepAlive(): Agent {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  opened.push({ close: () => agent.destroy() })
  return agent
}

async function request(port: number, agent: Agent): Promise<IncomingMessage> {
  const [response] = (await once(get({ host: '127.0.0.1', port, agent }), 'response')) as [IncomingMessage]
  response.resume()
  await once(response, 'end')
  return response
}

test('an idle connection is answered once more with a request to close; a new one is refused', async () => {
  const { server, port } = await started((_request, response) => response.end('ok'))
  const agent = keepAlive()
  expect((await request(port, agent)).headers.connection).toBe('keep-alive')
  stopAccepting(server)
  const last = await request(port, agent)
  expect([last.statusCode, last.headers.connection]).toEqual([200, 'close'])
  const [error] = (await once(connect(port, '127.0.0.1'), 'error')) as [NodeJS.ErrnoException]
  expect(error.code).toBe('ECONNREFUSED')
})

test('draining waits for the request in progress, and not for an idle connection', async () => {
  let finish: () => void = () => undefined
  const { server, port } = await started((message, response) => {
    if (message.url === '/') response.end('ok')
    else finish = () => response.end('late')
  })
  await request(port, keepAlive())
  const response = once(get({ host: '127.0.0.1', port, path: '/slow' }), 'response')
  await once(server, 'request')
  stopAccepting(server)
  let drained = false
  const draining = drain([server], TIMING).then(() => {
    drained = true
  })
  await new Promise((resolve) => setTimeout(resolve, 100))
  expect(drained).toBe(false)
  finish()
  expect(((await response) as [IncomingMessage])[0].statusCode).toBe(200)
  const finishedAt = performance.now()
  await draining
  expect(performance.now() - finishedAt).toBeLessThan(TIMING.drainMs / 2)
})

test('draining ends at its deadline if a request does not finish', async () => {
  const { server, port } = await started(() => undefined)
  const never = get({ host: '127.0.0.1', port }).on('error', () => undefined)
  opened.push({ close: () => never.destroy() })
  await once(server, 'request')
  stopAccepting(server)
  const begun = performance.now()
  await drain([server], { ...TIMING, drainMs: 120 })
  const tookMs = performance.now() - begun
  expect(tookMs).toBeGreaterThanOrEqual(115)
  expect(tookMs).toBeLessThan(600)
})

test('no server is drained at once', async () => {
  const begun = performance.now()
  await drain([])
  expect(performance.now() - begun).toBeLessThan(100)
})
