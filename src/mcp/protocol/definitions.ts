/** The current definitions of a service: static ones, and those that are added and removed while it runs. */
import { createHash } from 'node:crypto'
import { UriTemplate } from '@modelcontextprotocol/server'
import type { PromptListing, ServiceDefinitions } from '../../ports/definitions.ts'
import type {
  Dynamic,
  HostScope,
  Prompt,
  Resource,
  ResourceTemplate,
  ServiceDefinition,
  Tool,
} from '../define.ts'
import { listTool } from '../schema.ts'

/** A resource template with its parsed URI template. */
export interface ParsedTemplate {
  readonly uriTemplate: UriTemplate
  readonly template: ResourceTemplate
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

/** The tools, prompts and resources of a service, by name or URI, with their listings. */
export class Definitions {
  readonly #definition: ServiceDefinition
  readonly #dynamic: Dynamic | undefined
  #tools: ReadonlyMap<string, Tool> = new Map()
  #prompts: ReadonlyMap<string, Prompt> = new Map()
  #resources: Readonly<Record<string, Resource>> = {}
  #templates: readonly ParsedTemplate[] = []
  #listing: ServiceDefinitions
  /** SHA-256 of tool listings, by name, once they were requested. */
  #hashes = new Map<string, string>()

  /**
   * `scope`: the context of the definition's functions. Calls `onChange` after dynamic definitions changed.
   */
  constructor(definition: ServiceDefinition, scope: HostScope, onChange: () => void) {
    this.#definition = definition
    this.#dynamic = definition.dynamic?.(scope, () => {
      this.#listing = this.#collect()
      onChange()
    })
    this.#listing = this.#collect()
  }

  /** By name. */
  get tools(): ReadonlyMap<string, Tool> {
    return this.#tools
  }

  /** By name. */
  get prompts(): ReadonlyMap<string, Prompt> {
    return this.#prompts
  }

  /** By URI. */
  get resources(): Readonly<Record<string, Resource>> {
    return this.#resources
  }

  get templates(): readonly ParsedTemplate[] {
    return this.#templates
  }

  /** The listings of everything, as `GET /definitions` serves them. */
  get listing(): ServiceDefinitions {
    return this.#listing
  }

  /** SHA-256 in hex of a tool's listing; empty for an unknown tool. */
  hashOf(tool: string): string {
    const known = this.#hashes.get(tool)
    if (known !== undefined) return known
    const listing = this.#listing.tools.find(({ name }) => name === tool)
    if (!listing) return ''
    const hash = sha256(JSON.stringify(listing))
    this.#hashes.set(tool, hash)
    return hash
  }

  /** Stops following dynamic definitions. */
  stop(): void {
    this.#dynamic?.stop?.()
  }

  #collect(): ServiceDefinitions {
    const { tools, prompts } = this.#definition
    const dynamic = this.#dynamic
    const templates = { ...this.#definition.templates, ...dynamic?.templates }
    this.#hashes = new Map()
    this.#resources = { ...this.#definition.resources, ...dynamic?.resources }
    this.#templates = Object.entries(templates).map(([uri, template]) => ({
      uriTemplate: new UriTemplate(uri),
      template,
    }))
    this.#tools = new Map(Object.entries({ ...tools, ...dynamic?.tools }))
    this.#prompts = new Map(Object.entries({ ...prompts, ...dynamic?.prompts }))
    const listing = {
      tools: [...this.#tools].map(([name, tool]) => listTool(name, tool)),
      keywords: this.#keywords(),
      resources: Object.entries(this.#resources).map(([uri, resource]) => ({ uri, ...described(resource) })),
      resourceTemplates: Object.entries(templates).map(([uriTemplate, template]) => ({
        uriTemplate,
        ...described(template),
      })),
      prompts: [...this.#prompts].map(([name, prompt]) => listPrompt(name, prompt)),
      watched: Object.entries(this.#resources).flatMap(([uri, { watch }]) => (watch ? [uri] : [])),
      changing: dynamic !== undefined,
    }
    return { ...listing, hash: sha256(JSON.stringify(listing)) }
  }

  #keywords(): Record<string, string> {
    const keywords: Record<string, string> = {}
    for (const [name, tool] of this.#tools) if (tool.keywords !== undefined) keywords[name] = tool.keywords
    return keywords
  }
}

const described = ({ title, description, mimeType = 'application/json' }: Resource | ResourceTemplate) => ({
  name: title,
  title,
  description,
  mimeType,
})

const listPrompt = (name: string, prompt: Prompt): PromptListing => ({
  name,
  title: prompt.title,
  description: prompt.description,
  arguments: prompt.arguments.map(({ complete: _, ...argument }) => argument),
})
