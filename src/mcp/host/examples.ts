/** The examples and refusals of a service's tools, with the arguments that this running system has. */
import type { Hono } from 'hono'
import { type ErrorReport, toErrorReport } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import type { HostScope, ServiceDefinition, Tool } from '../define.ts'
import { isFound } from '../schema.ts'

/** Calls of one tool: `examples` succeed, `refusals` fail with the code. Arguments are plain JSON. */
export interface ToolCalls {
  readonly examples: readonly Record<string, unknown>[]
  readonly refusals: readonly { readonly arguments: Record<string, unknown>; readonly code: string }[]
}

/** Looks up the arguments of a tool's examples and refusals. Throws what looking them up throws. */
export async function toolCalls({ examples, refusals = [] }: Tool, scope: HostScope): Promise<ToolCalls> {
  const found = async (args: object) =>
    toPlain(isFound(args) ? await args.find(scope as never) : args) as Record<string, unknown>
  return {
    examples: await Promise.all(examples.map(found)),
    refusals: await Promise.all(
      refusals.map(async ([args, code]) => ({ arguments: await found(args), code })),
    ),
  }
}

/**
 * As `GET /examples` answers: the calls of every tool, by name, or why its arguments cannot be looked up now.
 */
export interface ExampleListing {
  readonly tools: Readonly<Record<string, ToolCalls | { readonly error: ErrorReport }>>
}

/** Serves `GET /examples`. */
export function exampleRoute(app: Hono, { tools }: ServiceDefinition, scope: HostScope): void {
  app.get('/examples', async (c) => {
    const calls = Object.entries(tools).map(
      async ([name, tool]) =>
        [name, await toolCalls(tool, scope).catch((error) => ({ error: toErrorReport(error) }))] as const,
    )
    const listing: ExampleListing = { tools: Object.fromEntries(await Promise.all(calls)) }
    return c.json(listing)
  })
}
