/**
 * JSON-RPC to the local chain, in batches: a market of hundreds of transactions is a handful of round trips.
 */
import type { Hex } from 'viem'
import { KintsugiError } from '../std/errors.ts'

export interface RpcCall {
  method: string
  params: unknown[]
}

interface RpcAnswer {
  id: number
  result?: unknown
  error?: { message: string; data?: unknown }
}

/**
 * Sends `calls` in one request and returns their results in order; throws `rpc-failed` for the first that
 * failed.
 */
export async function rpcBatch(url: string, calls: readonly RpcCall[]): Promise<unknown[]> {
  if (calls.length === 0) return []
  const body = JSON.stringify(calls.map((call, id) => ({ jsonrpc: '2.0', id, ...call })))
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body,
    signal: AbortSignal.timeout(60_000),
  })
  const answers = ((await response.json()) as RpcAnswer[]).sort((a, b) => a.id - b.id)
  return answers.map((answer, index) => {
    if (answer.error) {
      throw new KintsugiError('rpc-failed', `${calls[index]?.method} failed: ${answer.error.message}`, {
        retry: 'later',
      })
    }
    return answer.result
  })
}

/** One call; throws `rpc-failed`. */
export async function rpc<T>(url: string, method: string, ...params: unknown[]): Promise<T> {
  return (await rpcBatch(url, [{ method, params }]))[0] as T
}

export const toHex = (value: bigint | number): Hex => `0x${value.toString(16)}`
