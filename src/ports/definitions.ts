/**
 * The definitions of a service for MCP clients, as its port serves them at `/definitions` and the gateway
 * lists them.
 */
import type { ScopeEffect } from '../access/scopes.ts'

/** A tool as `tools/list` returns it; both schemas are JSON Schema. */
export interface ToolListing {
  name: string
  title: string
  description: string
  inputSchema: Record<string, unknown>
  outputSchema?: Record<string, unknown>
  annotations: {
    readOnlyHint: boolean
    destructiveHint: boolean
    idempotentHint: boolean
    openWorldHint: boolean
  }
  _meta: {
    'kintsugi/effect': ScopeEffect
    'kintsugi/guarded': boolean
    /** A person may have to approve its calls. */
    'kintsugi/approvable': boolean
    'kintsugi/example': Record<string, unknown>
  }
}

/** A resource as `resources/list` returns it. */
export interface ResourceListing {
  uri: string
  name: string
  title: string
  description: string
  mimeType: string
}

/** A resource template as `resources/templates/list` returns it. */
export interface TemplateListing extends Omit<ResourceListing, 'uri'> {
  uriTemplate: string
}

/** A prompt as `prompts/list` returns it. */
export interface PromptListing {
  name: string
  title: string
  description: string
  arguments: { name: string; description: string; required: boolean }[]
}

/** Everything that a service offers to MCP clients. `hash` changes with any of it. */
export interface ServiceDefinitions {
  tools: ToolListing[]
  resources: ResourceListing[]
  resourceTemplates: TemplateListing[]
  prompts: PromptListing[]
  /** Words for the search, by tool. */
  keywords: Record<string, string>
  /** URIs whose changes are sent to subscribers. */
  watched: string[]
  /** Whether tools or prompts are added and removed while the service runs. */
  changing: boolean
  hash: string
}

/** The definitions of all services, by service. `process` identifies the process that returned them. */
export type FleetDefinitions = Readonly<
  Record<string, { readonly process: string; readonly definitions: ServiceDefinitions }>
>

/** Words that users tagged servers with, by server. */
export type ServerTags = Readonly<Record<string, readonly string[]>>
