/** `kintsugi mcp`: the gateway for clients that want stdio. Each message of theirs is one request to the endpoint; what comes back is theirs. */
import { setTimeout as sleep } from 'node:timers/promises'
import { createParser } from 'eventsource-parser'
import { headerValue, NAMED_BY } from '../mcp/protocol/headers.ts'
import { messageOf } from '../std/errors.ts'
import { onLines } from '../std/lines.ts'
import { type DataOptions, readToken, runningPlan } from './run.ts'

export interface McpOptions extends DataOptions {
  /** `all`, or `search` (the default): a few meta tools that find and call the others. */
  tools?: string
  profile?: string
}

interface Message {
  readonly id?: string | number
  readonly method?: string
  readonly params?: Record<string, unknown>
}

const LISTEN_AGAIN_MS = 1_000
const VERSION_META = 'io.modelcontextprotocol/protocolVersion'
export async function mcp(options: McpOptions): Promise<void> {
  const plan = runningPlan(options)
  const token = readToken(plan)
  const query = new URLSearchParams({
    ...(options.tools ? { tools: options.tools } : {}),
    ...(options.profile ? { profile: options.profile } : {}),
  })
  const url = `http://127.0.0.1:${plan.ports.coordination_system}/mcp${query.size > 0 ? `?${query}` : ''}`
  const underWay = new Map<string | number, { method: string; ends: AbortController }>()
  let negotiated: string | undefined
  /** Of a client of 2025: what servers ask, and what changes, reaches it in its session. */
  let session: string | undefined
  const closing = new AbortController()
  const authorization: Record<string, string> = token ? { authorization: `Bearer ${token}` } : {}
  const say = (message: unknown) =>
    process.stdout.write(`${typeof message === 'string' ? message : JSON.stringify(message)}\n`)

  const hear = (text: string) => {
    if (text.trim() === '') return
    const message = JSON.parse(text) as { result?: { protocolVersion?: string } }
    negotiated ??= message.result?.protocolVersion
    say(text)
  }
  const ask = async (line: string, message: Message) => {
    const ends = new AbortController()
    const { id, method = '', params } = message
    if (id !== undefined) underWay.set(id, { method, ends })
    const claimed = (params?._meta as Record<string, unknown> | undefined)?.[VERSION_META]
    const version = typeof claimed === 'string' ? claimed : method === 'initialize' ? undefined : negotiated
    const field = NAMED_BY[method]
    const named = field === undefined ? undefined : params?.[field]
    try {
      const response = await fetch(url, {
        method: 'POST',
        body: line,
        signal: ends.signal,
        headers: {
          'content-type': 'application/json',
          accept: 'application/json, text/event-stream',
          ...authorization,
          ...(session !== undefined && typeof claimed !== 'string' ? { 'mcp-session-id': session } : {}),
          ...(version === undefined ? {} : { 'mcp-protocol-version': version }),
          ...(typeof claimed === 'string'
            ? {
                'mcp-method': method,
                ...(typeof named === 'string' ? { 'mcp-name': headerValue(named) } : {}),
              }
            : {}),
        },
      })
      const given = response.headers.get('mcp-session-id')
      if (response.headers.get('content-type')?.startsWith('text/event-stream')) await events(response, hear)
      else hear(await response.text())
      if (given !== null && session === undefined) {
        session = given
        void listen(given)
      }
    } catch (error) {
      if (id !== undefined && !ends.signal.aborted)
        say({
          jsonrpc: '2.0',
          id,
          error: { code: -32603, message: `the gateway did not answer: ${messageOf(error)}` },
        })
    } finally {
      if (id !== undefined) underWay.delete(id)
    }
  }

  /** What changes is told on a stream of the session's own, which is opened again when it breaks. */
  const listen = async (id: string) => {
    while (!closing.signal.aborted) {
      try {
        const headers = { accept: 'text/event-stream', 'mcp-session-id': id, ...authorization }
        const response = await fetch(url, { headers, signal: closing.signal })
        if (response.ok) await events(response, hear)
      } catch {
        // The gateway is being replaced.
      }
      await sleep(LISTEN_AGAIN_MS, undefined, { signal: closing.signal }).catch(() => undefined)
    }
  }

  onLines(process.stdin, (line) => {
    if (line.trim() === '') return
    let message: Message
    try {
      message = JSON.parse(line) as Message
    } catch {
      say({ jsonrpc: '2.0', id: null, error: { code: -32700, message: 'this line is no JSON' } })
      return
    }
    if (message.method === 'notifications/cancelled')
      underWay.get(message.params?.requestId as string | number)?.ends.abort()
    void ask(line, message)
  })
  await new Promise<void>((resolve) => process.stdin.on('end', resolve))
  closing.abort()
  // Subscriptions end with the client; calls under way are let finish.
  for (const { method, ends } of underWay.values()) if (method === 'subscriptions/listen') ends.abort()
  const deadline = Date.now() + plan.settings.requestTimeoutMs
  while (underWay.size > 0 && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20))
}

/** The data of each event of a stream. */
async function events(response: Response, hear: (text: string) => void): Promise<void> {
  const parser = createParser({ onEvent: ({ data }) => hear(data) })
  const decoder = new TextDecoder()
  for await (const chunk of response.body as ReadableStream<Uint8Array>)
    parser.feed(decoder.decode(chunk, { stream: true }))
}
