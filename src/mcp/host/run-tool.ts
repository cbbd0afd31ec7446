/**
 * The only place that touches a tool itself: parses its input, builds its context, runs it, serializes its
 * output.
 */
import { errorFromReport, KintsugiError, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { ToolContent } from '../content.ts'
import type { CallContext, HostScope } from '../define.ts'
import { NO_CLIENT } from '../elicitation.ts'
import { checkAnswer, noteOnAmounts, parseArguments } from '../schema.ts'
import type { ToolCall, ToolOutput } from './tool-call.ts'

/** A call whose input is valid, ready to run. */
export interface PreparedCall extends ToolCall {
  readonly input: never
  readonly context: CallContext & HostScope
}

/**
 * Parses and validates the input and builds the context. Throws `bad-argument`, which names each wrong field,
 * and the refusals of `tool.validate`.
 */
export function prepareCall(call: ToolCall, scope: HostScope, signal: AbortSignal): PreparedCall {
  const { permit, args, conversation = NO_CLIENT } = call
  const { name: caller, scopes } = permit.caller
  const input = parseArguments(permit.name, permit.tool, args, scope.market)
  permit.tool.validate?.(input)
  return {
    ...call,
    input,
    context: { ...scope, ...conversation, signal, caller, scopes },
  }
}

/**
 * Runs the tool; amounts of its output become decimal strings. With `check`, an answer that does not match
 * the tool's output schema is an `internal` error. The hint of a failure explains an amount that was probably
 * meant in whole tokens.
 */
export async function runTool(
  { permit, input, context, args }: PreparedCall,
  check: boolean,
): Promise<ToolOutput> {
  const { name, tool } = permit
  try {
    const output = await tool.run(input, context as never)
    if (output instanceof ToolContent) return output
    const answer = toPlain(output) as Record<string, unknown>
    if (check) checkAnswer(name, tool, answer)
    const note = context.market && noteOnAmounts(tool, args, context.market)
    if (note !== undefined) notes.set(answer, note)
    return answer
  } catch (error) {
    throw withNoteOnAmounts(error, context.market && noteOnAmounts(tool, args, context.market))
  }
}

const notes = new WeakMap<object, string>()

/** A note for the caller beside the answer: an amount that was probably meant in whole tokens. */
export const noteOf = (answer: object): string | undefined => notes.get(answer)

function withNoteOnAmounts(error: unknown, note: string | undefined): unknown {
  if (note === undefined || !(error instanceof KintsugiError)) return error
  const { code, message, ...details } = toErrorReport(error)
  return errorFromReport({ ...details, code, message, hint: note })
}
