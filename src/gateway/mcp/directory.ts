/** What each service offers to MCP clients, kept up to date: asked for again when its process has changed, and now and then. */

import { nameOf } from '../../mcp/tool-search.ts'
import type {
  FleetDefinitions,
  PromptListing,
  ResourceListing,
  ServiceDefinitions,
  TemplateListing,
  ToolListing,
} from '../../ports/definitions.ts'
import type { ServiceStatus } from '../../ports/fleet.ts'
import { messageOf } from '../../std/errors.ts'

export interface DirectoryOptions {
  /** A service's definitions, from one of its ports. Throws where it does not answer. */
  ask(service: string): Promise<ServiceDefinitions>
  now(): number
  /** Something that clients see has changed. */
  onChange(what: 'tools' | 'resources' | 'prompts'): void
}

export interface Listed<T> {
  readonly service: string
  /** Its name, or URI, at the service. */
  readonly plain: string
  /** As clients see it. */
  readonly listing: T
  /** Words for the search, of tools. */
  readonly keywords?: string
}

/** A service that does not say what it offers keeps a new gateway from answering for no longer than this. ms. */
const GATHER_MS = 10_000
/** Definitions are asked for anew after this long, whatever happened. */
const STALE_MS = 60_000
/** After a failure, not before this long. */
const AGAIN_MS = 100

interface Known {
  definitions: ServiceDefinitions | undefined
  /** Of the process that told them. */
  process: string
  at: number
  asking: boolean
  failure: string | undefined
}

/** A URI that two services offer is told apart for the second by its service. */
const uriOf = (service: string, uri: string): string => `kintsugi://${service}/${encodeURIComponent(uri)}`

export class Directory {
  readonly #options: DirectoryOptions
  readonly #known = new Map<string, Known>()
  #tools = new Map<string, Listed<ToolListing>>()
  #resources = new Map<string, Listed<ResourceListing>>()
  #templates: Listed<TemplateListing>[] = []
  #prompts = new Map<string, Listed<PromptListing>>()
  readonly #patience: number
  readonly #gathering = Promise.withResolvers<void>()
  #gathered = false

  constructor(options: DirectoryOptions) {
    this.#options = options
    this.#patience = options.now() + GATHER_MS
  }

  /** Whether every service has told, at least once, what it offers: a list before that would be taken for the whole, and a tool be called unknown that is there. */
  get gathered(): boolean {
    return this.#gathered
  }

  get gathering(): Promise<void> {
    return this.#gathering.promise
  }

  #settle(): void {
    if (
      this.#gathered ||
      (this.#options.now() < this.#patience && (this.#known.size === 0 || this.missing.length > 0))
    )
      return
    this.#gathered = true
    this.#gathering.resolve()
  }

  get tools(): ReadonlyMap<string, Listed<ToolListing>> {
    return this.#tools
  }

  get resources(): ReadonlyMap<string, Listed<ResourceListing>> {
    return this.#resources
  }

  get templates(): readonly Listed<TemplateListing>[] {
    return this.#templates
  }

  get prompts(): ReadonlyMap<string, Listed<PromptListing>> {
    return this.#prompts
  }

  serves(service: string): boolean {
    return this.#known.has(service)
  }

  /** Services whose definitions are not known, or not from the process that runs now. */
  get missing(): { service: string; reason: string }[] {
    return [...this.#known].flatMap(([service, { failure }]) =>
      failure === undefined ? [] : [{ service, reason: failure }],
    )
  }

  /** Definitions that another gateway, or an earlier one, has heard: they hold until the service has another process. */
  recall(remembered: FleetDefinitions): void {
    const at = this.#options.now()
    for (const [service, { process, definitions }] of Object.entries(remembered))
      this.#known.set(service, { definitions, process, at, asking: false, failure: undefined })
    this.#rebuild()
    this.#settle()
  }

  /** All that is known, for those who come after. */
  remember(): FleetDefinitions {
    return Object.fromEntries(
      [...this.#known].flatMap(([service, { process, definitions }]) =>
        definitions ? [[service, { process, definitions }]] : [],
      ),
    )
  }

  /** Services that tell of changes: of which URIs, and whether their lists change. */
  get watched(): ReadonlyMap<string, { readonly uris: readonly string[]; readonly changing: boolean }> {
    return new Map(
      [...this.#known].flatMap(([service, { definitions }]) =>
        definitions && (definitions.changing || definitions.watched.length > 0)
          ? [[service, { uris: definitions.watched, changing: definitions.changing }] as const]
          : [],
      ),
    )
  }

  /** Asks a service anew that says its lists have changed. */
  async refresh(service: string): Promise<void> {
    const known = this.#known.get(service)
    if (known) await this.#ask(service, known, known.process)
  }

  /** What is there now, as the supervisor says. Resolves when every service that had to be asked has answered, or failed. */
  async follow(services: readonly ServiceStatus[]): Promise<void> {
    const here = services.filter(
      ({ kind, id }) => (kind === 'server' || kind === 'agent') && !id.includes('#'),
    )
    const ids = new Set(here.map(({ id }) => id))
    let gone = false
    for (const id of this.#known.keys()) if (!ids.has(id)) gone = this.#known.delete(id) || gone
    if (gone) this.#rebuild()
    this.#settle()
    const now = this.#options.now()
    await Promise.all(
      here.map(async ({ id, pid }) => {
        const process = String(pid)
        const known = this.#known.get(id) ?? {
          definitions: undefined,
          process: '',
          at: Number.NEGATIVE_INFINITY,
          asking: false,
          failure: 'not asked yet',
        }
        this.#known.set(id, known)
        const age = now - known.at
        if (
          known.asking ||
          (known.process === process && known.failure === undefined && age < STALE_MS) ||
          age < AGAIN_MS
        )
          return
        await this.#ask(id, known, process)
      }),
    )
  }

  async #ask(service: string, known: Known, process: string): Promise<void> {
    known.asking = true
    try {
      const definitions = await this.#options.ask(service)
      const before = known.definitions
      known.definitions = definitions
      known.process = process
      known.failure = undefined
      if (before?.hash !== definitions.hash) this.#rebuild()
    } catch (error) {
      // What it offered before stays listed: it is being brought back.
      known.failure = messageOf(error)
    } finally {
      known.asking = false
      known.at = this.#options.now()
      this.#settle()
    }
  }

  /** Nobody takes the name of a service of ours. */
  #taken(name: string): boolean {
    return name.includes('__') && this.#known.has(name.split('__')[0] as string)
  }

  #rebuild(): void {
    const tools = new Map<string, Listed<ToolListing>>()
    const resources = new Map<string, Listed<ResourceListing>>()
    const prompts = new Map<string, Listed<PromptListing>>()
    const templates: Listed<TemplateListing>[] = []
    for (const [service, { definitions }] of [...this.#known].sort(([a], [b]) => (a < b ? -1 : 1))) {
      if (!definitions) continue
      for (const tool of definitions.tools) {
        if (this.#taken(tool.name)) continue
        tools.set(nameOf(service, tool.name), {
          service,
          plain: tool.name,
          listing: { ...tool, name: nameOf(service, tool.name) },
          keywords: definitions.keywords[tool.name] ?? '',
        })
      }
      for (const prompt of definitions.prompts)
        if (!this.#taken(prompt.name))
          prompts.set(nameOf(service, prompt.name), {
            service,
            plain: prompt.name,
            listing: { ...prompt, name: nameOf(service, prompt.name) },
          })
      for (const resource of definitions.resources) {
        const uri = resources.has(resource.uri) ? uriOf(service, resource.uri) : resource.uri
        resources.set(uri, {
          service,
          plain: resource.uri,
          listing: { ...resource, uri, name: nameOf(service, resource.name) },
        })
      }
      for (const template of definitions.resourceTemplates)
        templates.push({
          service,
          plain: template.uriTemplate,
          listing: { ...template, name: nameOf(service, template.name) },
        })
    }
    const changed = (before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>) =>
      JSON.stringify([...before]) !== JSON.stringify([...after])
    const what = [
      ...(changed(this.#tools, tools) ? (['tools'] as const) : []),
      ...(changed(this.#resources, resources) || JSON.stringify(this.#templates) !== JSON.stringify(templates)
        ? (['resources'] as const)
        : []),
      ...(changed(this.#prompts, prompts) ? (['prompts'] as const) : []),
    ]
    this.#tools = tools
    this.#resources = resources
    this.#templates = templates
    this.#prompts = prompts
    for (const each of what) this.#options.onChange(each)
  }
}
