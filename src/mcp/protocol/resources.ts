/** Resources of a service over MCP. */
import { ResourceNotFoundError, type Server } from '@modelcontextprotocol/server'
import { toPlain } from '../../std/json.ts'
import type { HostScope, ResourceBody } from '../define.ts'
import { CACHED, FRESH } from './caching.ts'
import type { Definitions } from './definitions.ts'

/** Serves `resources/list`, `resources/templates/list` and `resources/read`. */
export function serveResources(server: Server, definitions: Definitions, scope: HostScope): void {
  server.setRequestHandler('resources/list', () => ({
    resources: definitions.listing.resources,
    ...CACHED,
  }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: definitions.listing.resourceTemplates,
    ...CACHED,
  }))
  server.setRequestHandler('resources/read', async ({ params: { uri } }) => {
    const { resources, templates } = definitions
    const resource = Object.hasOwn(resources, uri) ? resources[uri] : undefined
    if (resource)
      return { contents: [contentsOf(uri, resource.mimeType, await resource.read(scope))], ...FRESH }
    for (const { uriTemplate, template } of templates) {
      const variables = uriTemplate.match(uri)
      if (!variables) continue
      const body = await template.read(variables as Record<string, string>, { ...scope, uri })
      return { contents: [contentsOf(uri, template.mimeType, body)], ...FRESH }
    }
    throw new ResourceNotFoundError(uri)
  })
}

function contentsOf(uri: string, mimeType = 'application/json', body: ResourceBody) {
  if (body instanceof Uint8Array) return { uri, mimeType, blob: Buffer.from(body).toString('base64') }
  return { uri, mimeType, text: typeof body === 'string' ? body : JSON.stringify(toPlain(body)) }
}
