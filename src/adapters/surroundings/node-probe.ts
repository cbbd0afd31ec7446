/** Whether a node serves the expected chain: its id, its head, and the contracts of the chain's profile. */
import { connect } from 'node:net'
import type { Address } from '../../amm/index.ts'
import type { Hex } from '../../ports/chain.ts'
import { addressOf, failureText } from '../connection-failure.ts'
import { type Probe, ProbeFailure, secondsText, within } from './probe.ts'

/** A contract that the fleet calls, and its name for people. */
export interface NamedContract {
  readonly name: string
  readonly address: Address
}

/** What a node says. */
export interface NodeReport {
  readonly chainId: number
  /** `timestamp` in seconds since 1970. */
  readonly head: { readonly number: number; readonly timestamp: number }
  /** The contracts without code. */
  readonly missing: readonly NamedContract[]
}

/** The expected chain. */
export interface ExpectedChain {
  readonly name: string
  readonly chainId: number
}

interface Answer {
  readonly id?: number
  readonly result?: unknown
  readonly error?: { readonly message: string }
}

/** An open connection to a node. */
interface Session {
  ask<T>(method: string, ...params: unknown[]): Promise<T>
  close(): void
}

const START_NODE = 'start the node, or correct the URL'

/** Asks the node at `url`. Rejects with a `ProbeFailure`. */
export function inspectNode(
  url: string,
  contracts: readonly NamedContract[],
  deadlineMs: number,
): Promise<NodeReport> {
  return withSession(url, deadlineMs, async ({ ask }) => {
    const [chainId, head, codes] = await Promise.all([
      ask<Hex>('eth_chainId'),
      ask<{ number: Hex; timestamp: Hex } | null>('eth_getBlockByNumber', 'latest', false),
      Promise.all(contracts.map(({ address }) => ask<Hex>('eth_getCode', address, 'latest'))),
    ])
    if (!head) throw new ProbeFailure('the node has no block', 'wait until it is in sync, or name another')
    return {
      chainId: Number(chainId),
      head: { number: Number(head.number), timestamp: Number(head.timestamp) },
      missing: contracts.filter((_, index) => (codes[index] ?? '0x') === '0x'),
    }
  })
}

/** A probe of a running node: it answers, and still serves the chain. Each question is one call. */
export function nodeProbe(url: string, expected: ExpectedChain): Probe {
  return {
    ask: (deadlineMs) =>
      withSession(url, deadlineMs, async ({ ask }) => {
        checkChain(Number(await ask<Hex>('eth_chainId')), expected)
        return `chain ${expected.chainId}`
      }),
    close: () => undefined,
  }
}

/** Throws a `ProbeFailure` if the node is on another chain. */
export function checkChain(chainId: number, { name, chainId: wanted }: ExpectedChain): void {
  if (chainId !== wanted)
    throw new ProbeFailure(
      `the node is on chain ${chainId}, ${name} is chain ${wanted}`,
      `name a node of ${name}`,
    )
}

function withSession<T>(url: string, deadlineMs: number, work: (session: Session) => Promise<T>): Promise<T> {
  const secure = /^(https|wss):/.test(url)
  const at = addressOf(url, secure ? 443 : 80)
  const run = async (signal: AbortSignal) => {
    const session = /^wss?:/.test(url) ? await socketSession(url, at, signal) : httpSession(url, at, signal)
    try {
      return await work(session)
    } finally {
      session.close()
    }
  }
  return within(
    deadlineMs,
    run,
    () =>
      new ProbeFailure(
        `${at} does not answer as a node within ${secondsText(deadlineMs)}`,
        'check that the node runs and is not overloaded',
      ),
  )
}

function httpSession(url: string, at: string, signal: AbortSignal): Session {
  return {
    async ask<T>(method: string, ...params: unknown[]) {
      let response: Response
      let text: string
      try {
        response = await fetch(url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
          signal,
        })
        text = await response.text()
      } catch (error) {
        throw new ProbeFailure(failureText(error, at), START_NODE)
      }
      const answer = parsed(text)
      if (!answer || (!response.ok && answer.error?.message === undefined)) throw refusalOf(response, at)
      return resultOf<T>(answer, method)
    },
    close: () => undefined,
  }
}

/** What a status without a JSON-RPC body means. */
function refusalOf({ status, ok }: Response, at: string): ProbeFailure {
  if (status === 401 || status === 403)
    return new ProbeFailure(`${at} refuses the key (HTTP ${status})`, 'correct the key in the URL')
  if (status === 429)
    return new ProbeFailure(
      `${at} has no quota left (HTTP 429)`,
      'wait, set RPC_CALLS_PER_SECOND, or name another',
    )
  return new ProbeFailure(
    `${at} does not speak JSON-RPC${ok ? '' : ` (HTTP ${status})`}`,
    'name the address of a node',
  )
}

function socketSession(url: string, at: string, signal: AbortSignal): Promise<Session> {
  const { promise, resolve, reject } = Promise.withResolvers<Session>()
  const waiting = new Map<number, { resolve(answer: Answer): void; reject(error: Error): void }>()
  const socket = new WebSocket(url)
  const fail = (error: ProbeFailure) => {
    reject(error)
    for (const each of waiting.values()) each.reject(error)
    waiting.clear()
  }
  signal.addEventListener('abort', () => socket.close(), { once: true })
  // The event does not say what failed: a plain connection does.
  socket.addEventListener(
    'error',
    () =>
      void reach(url).then(
        () => fail(new ProbeFailure(`${at} accepts no WebSocket`, 'name the WebSocket address of a node')),
        (error) => fail(new ProbeFailure(failureText(error, at), START_NODE)),
      ),
  )
  socket.addEventListener('close', () => {
    if (opened) fail(new ProbeFailure(`${at} closed the connection`, START_NODE))
  })
  socket.addEventListener('message', ({ data }) => {
    const answer = parsed(String(data))
    if (!answer) return fail(new ProbeFailure(`${at} does not speak JSON-RPC`, 'name the address of a node'))
    waiting.get(answer.id ?? -1)?.resolve(answer)
    waiting.delete(answer.id ?? -1)
  })
  let id = 0
  let opened = false
  const ask = async <T>(method: string, ...params: unknown[]): Promise<T> => {
    const answered = Promise.withResolvers<Answer>()
    waiting.set(++id, answered)
    socket.send(JSON.stringify({ jsonrpc: '2.0', id, method, params }))
    return resultOf<T>(await answered.promise, method)
  }
  socket.addEventListener('open', () => {
    opened = true
    resolve({ ask, close: () => socket.close() })
  })
  return promise
}

/** Connects to the host and port of a URL, and disconnects. Rejects with the system's error. */
function reach(url: string): Promise<void> {
  const { hostname, port, protocol } = new URL(url)
  const socket = connect(Number(port) || (protocol === 'wss:' ? 443 : 80), hostname)
  return new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve)
    socket.once('error', reject)
  }).finally(() => socket.destroy())
}

/** A JSON-RPC answer; undefined if the text is none. */
function parsed(text: string): Answer | undefined {
  try {
    const value = JSON.parse(text) as unknown
    return typeof value === 'object' && value !== null && ('result' in value || 'error' in value)
      ? (value as Answer)
      : undefined
  } catch {
    return undefined
  }
}

function resultOf<T>({ result, error }: Answer, method: string): T {
  if (error) throw new ProbeFailure(`the node refuses ${method}: ${error.message}`, START_NODE)
  return result as T
}
