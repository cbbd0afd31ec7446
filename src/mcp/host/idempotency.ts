/**
 * Idempotency keys: a call with a key runs once; each repetition, on any instance, receives the first
 * outcome.
 */
import { createHash } from 'node:crypto'
import type { Records } from '../../ports/records.ts'
import { type ErrorReport, errorFromReport, KintsugiError, toErrorReport } from '../../std/errors.ts'
import { ToolContent } from '../content.ts'
import { InputNeeded } from '../elicitation.ts'
import type { ToolOutput } from './tool-call.ts'

/** How long outcomes are kept. */
const TTL_MS = 86_400_000
const KEY = /^[\x21-\x7e]{1,200}$/

/** Field of `_meta` that carries the idempotency key of an MCP call. */
export const IDEMPOTENCY_META = 'kintsugi/idempotencyKey'
/** HTTP header that carries the idempotency key. */
export const IDEMPOTENCY_HEADER = 'idempotency-key'

/** A call with an idempotency key. */
export interface KeyedCall {
  /** 1 to 200 visible ASCII characters, unique per service, tool and caller. */
  readonly key: string
  readonly service: string
  readonly tool: string
  readonly caller: string
  readonly args: unknown
  /** Whether the call may run again while the outcome of its first run is unknown. */
  readonly repeatable: boolean
}

interface OutcomeRecord {
  /** SHA-256 of the arguments. */
  readonly args: string
  /** `waiting`: the call ended with a question to the client or needs an approval; it will be repeated. */
  readonly state: 'running' | 'waiting' | 'done' | 'failed'
  readonly result?: Record<string, unknown>
  readonly content?: { readonly blocks: ToolContent['blocks']; readonly structured?: Record<string, unknown> }
  readonly error?: ErrorReport
}

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/**
 * Runs `run` unless the key is known, and returns or throws the recorded outcome otherwise. `now` is in ms
 * since 1970. Throws `bad-argument` for a malformed key, `conflict` if the key was used with other arguments,
 * `ambiguous-outcome` (retry later) if the first run has no outcome.
 */
export async function runIdempotent(
  records: Records,
  call: KeyedCall,
  now: number,
  run: () => Promise<ToolOutput>,
): Promise<ToolOutput> {
  const { key, service, tool, caller, args } = call
  if (!KEY.test(key))
    throw new KintsugiError('bad-argument', 'idempotencyKey: expected 1 to 200 visible characters')
  const id = sha256([service, tool, caller, key])
  const running: OutcomeRecord = { args: sha256(args ?? {}), state: 'running' }
  if (!(await records.create('call', id, running, now + TTL_MS))) {
    const replay = await replayOrClaim(records, id, running, call)
    if (replay) return replay.output
  }
  const settle = async (record: Partial<OutcomeRecord>) => {
    const { version } = (await records.read<OutcomeRecord>('call', id)) ?? { version: 0 }
    await records.replace('call', id, version, { ...running, ...record })
  }
  try {
    const output = await run()
    await settle({ state: 'done', ...recordedOutput(output) })
    return output
  } catch (error) {
    const report = toErrorReport(error)
    const waits = error instanceof InputNeeded || report.code === 'approval-needed'
    await settle(waits ? { state: 'waiting' } : { state: 'failed', error: report })
    throw error
  }
}

/** The recorded outcome of a known key; undefined if the caller may run the call (again). */
async function replayOrClaim(
  records: Records,
  id: string,
  running: OutcomeRecord,
  { tool, repeatable }: KeyedCall,
): Promise<{ readonly output: ToolOutput } | undefined> {
  const known = await records.read<OutcomeRecord>('call', id)
  if (!known) return undefined
  const { args, state, content, result, error } = known.value
  if (args !== running.args)
    throw new KintsugiError('conflict', 'idempotencyKey: it was used for a call with other arguments', {
      hint: 'use a new key for a new call',
    })
  if (state === 'done')
    return { output: content ? new ToolContent(content.blocks, content.structured) : (result ?? {}) }
  if (state === 'failed')
    throw error ? errorFromReport(error) : new KintsugiError('internal', 'the first call failed')
  const mayRun = state === 'waiting' || repeatable
  if (mayRun && (await records.replace('call', id, known.version, running))) return undefined
  throw new KintsugiError(
    'ambiguous-outcome',
    `a call of ${tool} with this idempotency key started; its outcome is unknown`,
    {
      retry: 'later',
      hint: 'check the state that the call would have changed; `kintsugi audit export` shows whether it ended',
    },
  )
}

function recordedOutput(output: ToolOutput): Pick<OutcomeRecord, 'content' | 'result'> {
  if (!(output instanceof ToolContent)) return { result: output }
  const { blocks, structured } = output
  return { content: { blocks, ...(structured ? { structured } : {}) } }
}
