/** Dependencies: what depends on what, in which order things start, what a failure affects. */
import * as z from 'zod'
import { cascadeRestart } from '../../engine/operations/cascade.ts'
import { impactOf, mermaidOf, mostNeeded, startOrder } from '../../fleet/catalogue/dependencies.ts'
import { findService } from '../../fleet/find-service.ts'
import { defineServer } from '../../mcp/define.ts'
import { page, paged, paginate, service } from '../../mcp/fields.ts'
import { dependencyNode, impact } from '../../views/dependencies.ts'

const ID = 'unified_mcp_coordinator'
const MAX_SHOWN_DEPENDENCIES = 5

export default defineServer({
  id: ID,
  needs: ['fleet'],
  tools: ({ read, write }) => ({
    dependency_graph: read({
      description:
        'Every service and piece of infrastructure with its dependencies. Hard: its process starts after them. Soft: without them it runs, but is not ready. On request as a Mermaid diagram.',
      keywords: 'what needs what, which services need redis or the database, draw dependencies',
      input: {
        service: service().optional().describe('only this one'),
        diagram: z.boolean().default(false).describe('adds the whole graph as a Mermaid diagram'),
        ...page(200, 12),
      },
      output: {
        mostNeeded: z
          .array(z.object({ id: z.string(), dependants: z.int().describe('direct dependants') }))
          .describe('what most others depend on'),
        ...paged('nodes', dependencyNode.schema),
        mermaid: z.string().optional(),
      },
      examples: [{}, { service: 'mcp_monitoring_server', diagram: true }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: only, diagram, ...paging }, { fleet }) => {
        const [all, { services }] = await Promise.all([fleet.dependencies(), fleet.status()])
        const nodes = only === undefined ? all : [findService(all, only)]
        return {
          mostNeeded: mostNeeded(all, MAX_SHOWN_DEPENDENCIES),
          ...paginate(
            'nodes',
            nodes.map((node) => dependencyNode.of(node, services)),
            paging,
          ),
          ...(diagram ? { mermaid: mermaidOf(nodes) } : {}),
        }
      },
    }),
    start_order: read({
      description: 'The waves in which everything starts: each wave depends on earlier waves only.',
      keywords: 'startup sequence, in which order services start',
      input: {},
      output: { waves: z.array(z.array(z.string())).describe('ids, wave by wave') },
      examples: [{}],
      run: async (_input, { fleet }) => ({ waves: startOrder(await fleet.dependencies()) }),
    }),
    impact_of: read({
      description:
        'What the loss of a service affects: what could not start, what would not be ready, and what shares its process.',
      keywords: 'what breaks if something goes down, blast radius, what depends on it',
      input: { service: service() },
      output: impact.schema,
      examples: [{ service: 'database' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: async ({ service: id }, { fleet }) => impact.of(id, impactOf(id, await fleet.dependencies())),
    }),
    cascade_restart: write({
      description:
        'Restarts a service and then, wave by wave, every cell that depends on it. A spare takes over first where a cell allows it.',
      keywords: 'restart a service and everything that depends on it',
      input: { service: service() },
      output: {
        restarted: z.array(z.string()).describe('cells, in the order of their restart'),
        left: z.array(z.string()).describe('cells that were not restarted: our own, which could not answer'),
      },
      examples: [{ service: 'mcp_monitoring_server' }],
      refusals: [[{ service: 'nobody' }, 'unknown-service']],
      run: ({ service: id }, { fleet, caller, progress }) =>
        cascadeRestart(fleet, id, { own: ID, by: caller }, progress),
    }),
  }),
})
