/** Load during chaos: reads through the gateway at a fixed rate. */
import { setTimeout as sleep } from 'node:timers/promises'
import { connectMcp } from '../../mcp/client.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { patiently } from './wait.ts'

export interface ReadLoad {
  readonly url: string
  readonly token: string | undefined
  /** 0 for no load. */
  readonly perSecond: number
  /** Whether the client repeats a read whose connection broke, as a client of a killed gateway has to. */
  readonly repeats: boolean
  readonly stop: AbortSignal
}

export interface ReadResult {
  readonly sent: number
  readonly lost: number
  /** Duration of each read in ms, ascending. */
  readonly times: readonly number[]
  /** Number of failed reads by message. */
  readonly errors: Readonly<Record<string, number>>
}

const CALLS: readonly (readonly [tool: string, args: Record<string, unknown>])[] = [
  ['mcp_price_feed_server__price_query', { symbol: 'ETH' }],
  ['dex_aggregator_mcp_server__list_dexes', {}],
  ['mcp_coordinator_server__list_tasks', { limit: 1 }],
  ['mcp_monitoring_server__host_resources', {}],
]
const MAX_MESSAGE = 160
/** Each kept connection to a killed gateway breaks on its own, and its successor may be killed too. */
const MAX_REPEATS = 3

/** Sends reads until stopped, then waits for the last answers. A read is lost if it ends with an error. */
export async function readThroughGateway(load: ReadLoad): Promise<ReadResult> {
  const { url, token, perSecond, repeats, stop } = load
  const times: number[] = []
  const errors: Record<string, number> = {}
  let sent = 0
  let lost = 0
  if (perSecond === 0) return { sent, lost, times, errors }
  const connection = await patiently(() => connectMcp({ url, name: 'chaos', ...(token ? { token } : {}) }))
  const read = async ([tool, args]: (typeof CALLS)[number]) => {
    sent++
    const started = performance.now()
    try {
      await attempt(() => connection.callTool(tool, args), repeats ? MAX_REPEATS : 0)
    } catch (error) {
      lost++
      const text = `${tool}: ${messageOf(error)}`.slice(0, MAX_MESSAGE)
      errors[text] = (errors[text] ?? 0) + 1
    }
    times.push(performance.now() - started)
  }
  const running = new Set<Promise<void>>()
  const started = performance.now()
  for (let count = 0; !stop.aborted; count++) {
    const call = read(CALLS[count % CALLS.length] as (typeof CALLS)[number])
    running.add(call)
    void call.then(() => running.delete(call))
    await sleep(Math.max(0, started + ((count + 1) * 1_000) / perSecond - performance.now()))
  }
  await Promise.all(running)
  await connection.close().catch(() => undefined)
  times.sort((a, b) => a - b)
  return { sent, lost, times, errors }
}

/** Calls, and again up to `repeats` times while the connection breaks. An error of the fleet is final. */
async function attempt<T>(call: () => Promise<T>, repeats: number): Promise<T> {
  try {
    return await call()
  } catch (error) {
    if (repeats === 0 || error instanceof KintsugiError) throw error
    return attempt(call, repeats - 1)
  }
}
