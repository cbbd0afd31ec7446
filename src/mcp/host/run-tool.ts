/** The only place that touches a tool itself: parses its input, builds its context, runs it, serializes its output. */
import type { Ports } from '../../ports/ports.ts'
import { toPlain } from '../../std/json.ts'
import { ToolContent } from '../content.ts'
import type { CallContext, Tool } from '../define.ts'
import { NO_CLIENT } from '../elicitation.ts'
import { parseArguments } from '../schema.ts'
import type { ToolCall, ToolOutput } from './tool-call.ts'

/** A call whose input is valid, ready to run. */
export interface PreparedCall extends ToolCall {
  readonly input: never
  readonly context: Parameters<Tool['run']>[1]
}

/** Parses the input and builds the context. Throws `bad-argument`, which names each wrong field. */
export function prepareCall(
  call: ToolCall,
  ports: Ports,
  signal: AbortSignal,
  now: CallContext['now'],
): PreparedCall {
  const { permit, args, conversation = NO_CLIENT } = call
  const { name: caller, scopes } = permit.caller
  return {
    ...call,
    input: parseArguments(permit.name, permit.tool, args),
    context: { ...ports, ...conversation, signal, caller, scopes, now },
  }
}

/** Runs the tool; amounts of its output become decimal strings. */
export async function runTool({ permit, input, context }: PreparedCall): Promise<ToolOutput> {
  const output = await permit.tool.run(input, context)
  return output instanceof ToolContent ? output : (toPlain(output) as Record<string, unknown>)
}
