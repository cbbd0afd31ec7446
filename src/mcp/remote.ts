/** Tools that other services call: one contract, shared by the definition of the tool and by its callers. */
import * as z from 'zod'
import type { FleetControl, ToolCall } from '../ports/fleet.ts'
import { KintsugiError } from '../std/errors.ts'
import type { Effect, Shape } from './define.ts'

/** The contract of a tool: its service, its effect, and its schemas, which its definition uses too. */
export interface RemoteTool<I extends Shape, O extends z.ZodObject> {
  readonly service: string
  readonly tool: string
  readonly effect: Effect
  readonly input: I
  readonly output: O
  /**
   * Calls the tool. Amounts go in as `bigint` and come back as `bigint`. Throws what `fleet.call` throws, and
   * `internal` for an answer that does not match the contract, as from a service of another version.
   */
  call(
    fleet: Pick<FleetControl, 'call'>,
    args: z.output<z.ZodObject<I>>,
    options?: Pick<ToolCall, 'signal' | 'caller'>,
  ): Promise<z.output<O>>
}

/** Defines the contract of a tool that other services call. */
export function remoteTool<const I extends Shape, O extends z.ZodObject>(
  contract: Omit<RemoteTool<I, O>, 'call'>,
): RemoteTool<I, O> {
  const { service, tool, effect, input, output } = contract
  const inputs = z.object(input)
  return {
    ...contract,
    call: async (fleet, args, options = {}) => {
      const wire = inputs.encode(args as never) as Record<string, unknown>
      const answer = await fleet.call({ service, tool, effect, arguments: wire, ...options })
      const parsed = output.safeDecode(answer as never)
      if (parsed.success) return parsed.data
      throw new KintsugiError(
        'internal',
        `${service}__${tool}: the answer does not match its contract: ${z.prettifyError(parsed.error)}`,
        { hint: `restart ${service}: its version may differ`, cause: parsed.error },
      )
    },
  }
}
