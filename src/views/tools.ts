/** Tools and groups of servers, as the search shows them. */
import * as z from 'zod'
import type { FoundTool, ServerGroup } from '../mcp/fleet-tools.ts'
import { argumentsOf } from '../mcp/tool-search.ts'
import { view } from './view.ts'

/** A tool that matches a query. */
export const foundTool = view(
  z.object({
    name: z.string().describe('server__tool'),
    description: z.string(),
    arguments: z.string().describe('a signature, such as "symbol: string, amount?: integer"'),
    effect: z.enum(['read', 'write', 'spend']),
    score: z.number().describe('for comparison with other results of the same search'),
  }),
  ({ name, listing, score }: FoundTool) => ({
    name,
    description: listing.description,
    arguments: argumentsOf(listing),
    effect: listing._meta['kintsugi/effect'],
    score,
  }),
)

/** Servers of one category, or with one tag. */
export const serverGroup = view(
  z.object({
    group: z.string(),
    kind: z.enum(['category', 'tag']),
    servers: z.array(z.string()),
    tools: z.int().describe('the number of their tools'),
  }),
  (group: ServerGroup) => group,
)
