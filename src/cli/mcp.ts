/**
 * `kintsugi mcp`: the gateway over stdio. Each line from the client becomes one request; every answer is
 * passed back as it is.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { headerValue, NAMED_BY } from '../mcp/protocol/headers.ts'
import { messageOf } from '../std/errors.ts'
import { onLines } from '../std/lines.ts'
import { type DataOptions, readToken, runningPlan } from './run.ts'

export interface McpOptions extends DataOptions {
  /** `all`, or `search` (the default): three meta tools that find, describe and call the others. */
  tools?: string
  profile?: string
}

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Record<string, unknown>
}

const RECONNECT_MS = 1_000
const DRAIN_POLL_MS = 20
const VERSION_META = 'io.modelcontextprotocol/protocolVersion'

/** Serves until stdin ends and the running calls are answered. */
export async function mcp(options: McpOptions): Promise<void> {
  const plan = runningPlan(options)
  const query = new URLSearchParams({
    ...(options.tools ? { tools: options.tools } : {}),
    ...(options.profile ? { profile: options.profile } : {}),
  })
  const bridge = new StdioBridge(
    `http://127.0.0.1:${plan.ports.coordination_system}/mcp${query.size > 0 ? `?${query}` : ''}`,
    readToken(plan),
    (line) => process.stdout.write(`${line}\n`),
  )
  onLines(process.stdin, (line) => bridge.receive(line))
  await new Promise<void>((resolve) => process.stdin.on('end', resolve))
  await bridge.close(plan.settings.requestTimeoutMs)
}

class StdioBridge {
  readonly #url: string
  readonly #authorization: Record<string, string>
  readonly #write: (line: string) => void
  /** Requests without an answer yet, by their JSON-RPC id. */
  readonly #pending = new Map<string | number, { method: string; abort: AbortController }>()
  readonly #closing = new AbortController()
  #negotiated: string | undefined
  /** Set for clients of revision 2025-11-25: server requests and notifications arrive in this session. */
  #session: string | undefined

  constructor(url: string, token: string | undefined, write: (line: string) => void) {
    this.#url = url
    this.#authorization = token ? { authorization: `Bearer ${token}` } : {}
    this.#write = write
  }

  /** Handles one line from the client. */
  receive(line: string): void {
    if (line.trim() === '') return
    let message: Message
    try {
      message = JSON.parse(line) as Message
    } catch {
      this.#send({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'the line is not valid JSON' } })
      return
    }
    if (message.method === 'notifications/cancelled')
      this.#pending.get(message.params?.requestId as string | number)?.abort.abort()
    void this.#forward(line, message)
  }

  /** Ends subscriptions and waits for the running calls, at most `timeoutMs`. */
  async close(timeoutMs: number): Promise<void> {
    this.#closing.abort()
    for (const { method, abort } of this.#pending.values())
      if (method === 'subscriptions/listen') abort.abort()
    const deadline = Date.now() + timeoutMs
    while (this.#pending.size > 0 && Date.now() < deadline) await sleep(DRAIN_POLL_MS)
  }

  async #forward(line: string, message: Message): Promise<void> {
    const abort = new AbortController()
    const { id, method = '' } = message
    if (id !== undefined) this.#pending.set(id, { method, abort })
    try {
      const response = await fetch(this.#url, {
        method: 'POST',
        body: line,
        signal: abort.signal,
        headers: this.#headers(message),
      })
      const session = response.headers.get('mcp-session-id')
      if (response.headers.get('content-type')?.startsWith('text/event-stream'))
        await eachEvent(response, (text) => this.#pass(text))
      else this.#pass(await response.text())
      if (session !== null && this.#session === undefined) {
        this.#session = session
        void this.#listen(session)
      }
    } catch (error) {
      if (id !== undefined && !abort.signal.aborted)
        this.#send({
          jsonrpc: '2.0',
          id,
          error: { code: -32603, message: `the gateway did not answer: ${messageOf(error)}` },
        })
    } finally {
      if (id !== undefined) this.#pending.delete(id)
    }
  }

  #headers({ method = '', params }: Message): Record<string, string> {
    const claimed = (params?._meta as Record<string, unknown> | undefined)?.[VERSION_META]
    const stateless = typeof claimed === 'string'
    const version = stateless ? claimed : method === 'initialize' ? undefined : this.#negotiated
    const field = NAMED_BY[method]
    const named = field === undefined ? undefined : params?.[field]
    return {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      ...this.#authorization,
      ...(this.#session !== undefined && !stateless ? { 'mcp-session-id': this.#session } : {}),
      ...(version === undefined ? {} : { 'mcp-protocol-version': version }),
      ...(stateless ? { 'mcp-method': method } : {}),
      ...(stateless && typeof named === 'string' ? { 'mcp-name': headerValue(named) } : {}),
    }
  }

  /** Notifications arrive on a stream of the session; it is opened again when it breaks. */
  async #listen(session: string): Promise<void> {
    const { signal } = this.#closing
    while (!signal.aborted) {
      try {
        const headers = { accept: 'text/event-stream', 'mcp-session-id': session, ...this.#authorization }
        const response = await fetch(this.#url, { headers, signal })
        if (response.ok) await eachEvent(response, (text) => this.#pass(text))
      } catch {
        // The gateway is being replaced.
      }
      await sleep(RECONNECT_MS, undefined, { signal }).catch(() => undefined)
    }
  }

  #pass(text: string): void {
    if (text.trim() === '') return
    const message = JSON.parse(text) as { result?: { protocolVersion?: string } }
    this.#negotiated ??= message.result?.protocolVersion
    this.#write(text)
  }

  #send(message: unknown): void {
    this.#write(JSON.stringify(message))
  }
}

/** Calls `onData` with the data of each event of a stream. */
async function eachEvent(response: Response, onData: (text: string) => void): Promise<void> {
  const parser = createParser({ onEvent: ({ data }) => onData(data) })
  const decoder = new TextDecoder()
  for await (const chunk of response.body as ReadableStream<Uint8Array>)
    parser.feed(decoder.decode(chunk, { stream: true }))
}
