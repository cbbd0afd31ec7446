/** Dependencies: what stands on what, in which order things start, what a failure would touch. */
import * as z from 'zod'
import { cascadeOf, impactOf, startOrder } from '../../fleet/catalogue/dependencies.ts'
import { defineServer } from '../../mcp/define.ts'

const service = z
  .string()
  .min(1)
  .max(100)
  .describe('an id such as database, hub, localnet or mcp_price_feed_server')

export default defineServer({
  id: 'unified_mcp_coordinator',
  needs: ['fleet'],
  tools: ({ read, write }) => ({
    dependency_graph: read({
      description:
        'Every service and piece of infrastructure with what it stands on. Hard: its process starts after them. Soft: without them it lives, but is not ready.',
      keywords: 'what needs what, which services need redis or the database, draw dependencies',
      input: { service: service.optional().describe('only this one') },
      output: {
        nodes: z.array(
          z.object({
            id: z.string(),
            cell: z.string(),
            status: z.string(),
            hard: z.array(z.string()),
            soft: z.array(z.string()),
          }),
        ),
        mermaid: z.string().describe('the same as a picture, in Mermaid'),
      },
      examples: [{}],
      run: async ({ service: only }, { fleet }) => {
        const [all, { services }] = await Promise.all([fleet.dependencies(), fleet.status()])
        const nodes = all
          .filter(({ id }) => only === undefined || id === only)
          .map(({ id, cell, hard, soft }) => ({
            id,
            cell,
            status: services.find((each) => each.id === id)?.status ?? 'unknown',
            hard: [...hard],
            soft: [...soft],
          }))
        const edges = nodes.flatMap(({ id, hard, soft }) => [
          ...hard.map((to) => `  ${name(id)} --> ${name(to)}`),
          ...soft.map((to) => `  ${name(id)} -.-> ${name(to)}`),
        ])
        return { nodes, mermaid: ['graph LR', ...edges].join('\n') }
      },
    }),
    start_order: read({
      description: 'The waves in which everything starts: each wave needs only what stands in earlier ones.',
      keywords: 'startup sequence, in which order services start',
      input: {},
      output: { waves: z.array(z.array(z.string())) },
      examples: [{}],
      run: async (_input, { fleet }) => ({ waves: startOrder(await fleet.dependencies()) }),
    }),
    impact_of: read({
      description:
        'What the loss of a service would touch: what could not start, what would lose something it needs, and what shares its process.',
      keywords: 'what breaks if something goes down, blast radius, what depends on it',
      input: { service },
      output: {
        service: z.string(),
        cannotStart: z.array(z.string()),
        notReady: z.array(z.string()),
        sameProcess: z.array(z.string()),
      },
      examples: [{ service: 'database' }],
      run: async ({ service: id }, { fleet }) => ({
        service: id,
        ...impactOf(id, await fleet.dependencies()),
      }),
    }),
    cascade_restart: write({
      description:
        'Restarts a service and then, wave by wave, every cell that stands on it. A stand-in opens first where one may.',
      keywords: 'restart a service and everything that depends on it',
      input: { service },
      output: {
        restarted: z.array(z.string()),
        left: z
          .array(z.string())
          .describe('cells that were left: our own, which would end before it answered'),
      },
      examples: [{ service: 'mcp_monitoring_server' }],
      run: async ({ service: id }, { fleet, progress }) => {
        const nodes = await fleet.dependencies()
        const own = nodes.find((node) => node.id === 'unified_mcp_coordinator')?.cell
        const cells = cascadeOf(id, nodes)
        const restarted: string[] = []
        for (const [index, cell] of cells.entries()) {
          progress(index, cells.length, cell)
          if (cell === own) continue
          await fleet.restart(cell, `cascade from ${id}`)
          restarted.push(cell)
        }
        return { restarted, left: cells.filter((cell) => cell === own) }
      },
    }),
  }),
})

const name = (id: string) => id.replace(/[^\w]/g, '_')
