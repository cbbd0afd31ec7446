/** The definitions of services, as the gateway publishes them. */
import type { ServiceDefinition } from '../../../src/mcp/define.ts'
import { listTool } from '../../../src/mcp/schema.ts'
import type { FleetDefinitions } from '../../../src/ports/definitions.ts'
import { definitionsOf } from '../definitions.ts'

/** The tools and search words of these services. */
export const publishedDefinitions = (services: readonly ServiceDefinition[]): FleetDefinitions =>
  Object.fromEntries(
    services.map(({ id, tools }) => {
      const all = Object.entries(tools)
      const definitions = definitionsOf({
        tools: all.map(([name, tool]) => listTool(name, tool)),
        keywords: Object.fromEntries(
          all.flatMap(([name, { keywords }]) => (keywords === undefined ? [] : [[name, keywords]])),
        ),
      })
      return [id, { process: '1', definitions }]
    }),
  )
