/** One JSON-RPC request to one instance, as it is but for its name and what is per hop; the answer as it comes. */
import { Agent, request } from 'undici'
import type { Answer, Send } from '../../adapters/fleet/dispatch.ts'

export interface Forwarded {
  readonly status: number
  readonly contentType: string
  /** Whole, or what follows the events that were read already. */
  readonly body: Buffer | AsyncIterable<Buffer>
}

export interface Forwarding {
  readonly body: string
  readonly headers: Record<string, string>
  readonly signal: AbortSignal
}

/** Connections to services are kept and shared by all calls; an answer may take as long as its deadline lets it. */
const agent = new Agent({ connections: 128, pipelining: 1, keepAliveTimeout: 30_000, headersTimeout: 0, bodyTimeout: 0 })

export function forward({ body, headers, signal }: Forwarding): Send<Forwarded> {
  return async (port): Promise<Answer<Forwarded>> => {
    const response = await request(`http://127.0.0.1:${port}/mcp`, { method: 'POST', body, headers, signal, dispatcher: agent })
    const status = response.statusCode
    const contentType = String(response.headers['content-type'] ?? '')
    if (!contentType.startsWith('text/event-stream')) {
      const whole = Buffer.from(await response.body.arrayBuffer())
      return { value: { status, contentType, body: whole }, ...codeOf(status, whole) }
    }
    // An event stream of a single event is an answer like any other; more than that is passed on as it comes.
    const chunks = response.body[Symbol.asyncIterator]() as AsyncIterator<Buffer>
    let read: Buffer<ArrayBufferLike> = Buffer.alloc(0)
    for (;;) {
      const { value, done } = await chunks.next()
      if (value) read = Buffer.concat([read, value])
      const first = firstEvent(read)
      if (first !== undefined && !isFinal(first)) return { value: { status, contentType, body: rest(read, chunks) } }
      if (!done) continue
      if (first === undefined) throw new Error('the answer broke off')
      return { value: { status, contentType, body: read }, ...codeOf(status, Buffer.from(first)) }
    }
  }
}

async function* rest(read: Buffer, chunks: AsyncIterator<Buffer>): AsyncGenerator<Buffer> {
  yield read
  for (;;) {
    const { value, done } = await chunks.next()
    if (done) return
    yield value
  }
}

/** The data of the first whole event that has any. */
function firstEvent(read: Buffer): string | undefined {
  for (const event of read
    .toString('utf8')
    .split(/\r?\n\r?\n/)
    .slice(0, -1)) {
    const data = event
      .split(/\r?\n/)
      .flatMap((line) => (line.startsWith('data:') ? [line.slice(5).trimStart()] : []))
      .join('\n')
    if (data !== '') return data
  }
  return undefined
}

/** Whether a message ends the exchange: an answer does, a notification does not. */
function isFinal(message: string): boolean {
  try {
    const { result, error } = JSON.parse(message) as { result?: unknown; error?: unknown }
    return result !== undefined || error !== undefined
  } catch {
    return false
  }
}

/** The code of the service's own error report: in a tool's result, or as plain HTTP. */
function codeOf(status: number, body: Buffer): { code?: string } {
  if (status < 400 && !body.includes('"kintsugi/error"')) return {}
  try {
    const said = JSON.parse(body.toString('utf8')) as { error?: { code?: unknown }; result?: { _meta?: Record<string, { code?: unknown }> } }
    const code = said.result?._meta?.['kintsugi/error']?.code ?? said.error?.code
    return typeof code === 'string' ? { code } : {}
  } catch {
    return {}
  }
}
