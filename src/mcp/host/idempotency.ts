/** A call with an idempotency key happens once: who repeats it, at whichever instance, gets the first one's outcome. */
import { createHash } from 'node:crypto'
import type { Records } from '../../ports/records.ts'
import { type ErrorReport, errorFromReport, KintsugiError, toErrorReport } from '../../std/errors.ts'
import { ToolContent } from '../content.ts'
import { InputNeeded } from '../elicitation.ts'

/** Outcomes are known for this long. */
const KEPT_MS = 86_400_000
const KEY = /^[\x21-\x7e]{1,200}$/

export const IDEMPOTENCY_META = 'kintsugi/idempotencyKey'
export const IDEMPOTENCY_HEADER = 'idempotency-key'

export interface KeyedCall {
  readonly key: string
  readonly service: string
  readonly tool: string
  readonly caller: string
  readonly given: unknown
  /** May run again where its first run ended without a word: the tool says so. */
  readonly repeatable: boolean
}

type Outcome = Record<string, unknown> | ToolContent

interface CallRecord {
  readonly given: string
  /** `asked`: it ended with a question, or waits for a person, and comes again. */
  readonly state: 'running' | 'asked' | 'done' | 'failed'
  readonly result?: Record<string, unknown>
  readonly content?: { readonly blocks: ToolContent['blocks']; readonly structured?: Record<string, unknown> }
  readonly error?: ErrorReport
}

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex')

/** Throws `bad-argument` for a key that is none, `conflict` where it was used for another call, `ambiguous-outcome` where nobody knows what became of the first. */
export async function once(
  records: Records,
  { key, service, tool, caller, given, repeatable }: KeyedCall,
  now: number,
  run: () => Promise<Outcome>,
): Promise<Outcome> {
  if (!KEY.test(key))
    throw new KintsugiError('bad-argument', 'idempotencyKey: expected 1 to 200 visible characters')
  const id = sha256([service, tool, caller, key])
  const mine: CallRecord = { given: sha256(given ?? {}), state: 'running' }
  if (!(await records.create('call', id, mine, now + KEPT_MS))) {
    const known = await records.read<CallRecord>('call', id)
    if (known && known.value.given !== mine.given)
      throw new KintsugiError('conflict', 'idempotencyKey: it was used for a call with other arguments', {
        hint: 'take a new key for a new call',
      })
    if (known?.value.state === 'done')
      return known.value.content
        ? new ToolContent(known.value.content.blocks, known.value.content.structured)
        : (known.value.result ?? {})
    if (known?.value.state === 'failed')
      throw known.value.error
        ? errorFromReport(known.value.error)
        : new KintsugiError('internal', 'the first call failed')
    const mayRun = known?.value.state === 'asked' || repeatable
    if (known && !(mayRun && (await records.replace('call', id, known.version, mine))))
      throw new KintsugiError(
        'ambiguous-outcome',
        `${tool} has begun with this key, and what became of it is not known yet`,
        {
          retry: 'later',
          hint: `look at what it would have changed; \`kintsugi audit export\` shows whether it came to an end`,
        },
      )
  }
  const settle = async (record: CallRecord) => {
    const { version } = (await records.read<CallRecord>('call', id)) ?? { version: 0 }
    await records.replace('call', id, version, record)
  }
  try {
    const outcome = await run()
    const structured = outcome instanceof ToolContent ? outcome.structured : undefined
    const content =
      outcome instanceof ToolContent
        ? { blocks: outcome.blocks, ...(structured ? { structured } : {}) }
        : undefined
    await settle({
      ...mine,
      state: 'done',
      ...(content ? { content } : { result: outcome as Record<string, unknown> }),
    })
    return outcome
  } catch (error) {
    const waits = error instanceof InputNeeded || toErrorReport(error).code === 'approval-needed'
    await settle(
      waits ? { ...mine, state: 'asked' } : { ...mine, state: 'failed', error: toErrorReport(error) },
    )
    throw error
  }
}
