/** A service's MCP endpoint: what it offers, through the SDK's handler, for clients of both revisions. */
import { createHash, randomUUID } from 'node:crypto'
import {
  createMcpHandler,
  type McpHttpHandler,
  type PromptMessage,
  ResourceNotFoundError,
  Server,
  type ServerContext,
  UriTemplate,
} from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { PromptListing, ServiceDefinitions, ToolListing } from '../../ports/definitions.ts'
import type { Ports } from '../../ports/ports.ts'
import type { Records } from '../../ports/records.ts'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import { traceparentOf } from '../../std/trace.ts'
import type { ToolContent } from '../content.ts'
import type {
  More,
  Prompt,
  Resource,
  ResourceBody,
  ResourceTemplate,
  ServiceDefinition,
  Tool,
} from '../define.ts'
import {
  type Conversation,
  capabilitiesOf,
  InputNeeded,
  roundOf,
  type StateCodec,
  TASKS_EXTENSION,
} from '../elicitation.ts'
import { type AccessPolicy, ANONYMOUS, type Caller, identify } from '../host/access.ts'
import { MAX_BODY_BYTES, toolOutcome } from '../host/http-app.ts'
import { IDEMPOTENCY_HEADER, IDEMPOTENCY_META } from '../host/idempotency.ts'
import { type Detach, Tasks } from '../host/tasks.ts'
import { listTool } from '../schema.ts'
import { HEADER_MISMATCH, marksHeaders, parameterMismatch } from './headers.ts'

/** The protocol's own bound. */
const MAX_COMPLETIONS = 100
const TTL_MS = 60_000
const CACHED = { ttlMs: TTL_MS, cacheScope: 'public' as never }

/** A call under way, as the protocol has it. */
export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  readonly conversation?: Conversation
  /** The `traceparent` that it came with. */
  readonly trace?: string | null
  /** Told how to free the call from its caller, should it go on as a task. */
  readonly onDetach?: (detach: Detach) => void
  /** The same for each attempt of one call: it happens once. */
  readonly key?: string | undefined
  /** A state that the caller came back with, to be used up. */
  readonly cameWith?: string | undefined
}

export interface ProtocolOptions {
  readonly title: string
  readonly version: string
  readonly access: AccessPolicy
  readonly stateCodec: StateCodec
  records(): Promise<Records>
  now(): number
  call(
    name: string,
    given: unknown,
    caller: Caller,
    options: CallOptions,
  ): Promise<Record<string, unknown> | ToolContent>
}

/** What a service offers now. */
export class Offer {
  readonly #definition: ServiceDefinition
  readonly #more: More | undefined
  #tools = new Map<string, Tool>()
  #prompts = new Map<string, Prompt>()
  #resources: Readonly<Record<string, Resource>> = {}
  #templates: readonly { readonly form: UriTemplate; readonly template: ResourceTemplate }[] = []
  #definitions!: ServiceDefinitions

  constructor(definition: ServiceDefinition, granted: Ports, onChange: () => void) {
    this.#definition = definition
    this.#more = definition.more?.(granted, () => {
      this.#read()
      onChange()
    })
    this.#read()
  }

  get tools(): ReadonlyMap<string, Tool> {
    return this.#tools
  }

  get prompts(): ReadonlyMap<string, Prompt> {
    return this.#prompts
  }

  get resources(): Readonly<Record<string, Resource>> {
    return this.#resources
  }

  get templates(): readonly { readonly form: UriTemplate; readonly template: ResourceTemplate }[] {
    return this.#templates
  }

  get definitions(): ServiceDefinitions {
    return this.#definitions
  }

  get listings(): readonly ToolListing[] {
    return this.#definitions.tools
  }

  stop(): void {
    this.#more?.stop?.()
  }

  #read(): void {
    const { tools, prompts = {} } = this.#definition
    const resources = { ...this.#definition.resources, ...this.#more?.resources }
    const templates = { ...this.#definition.templates, ...this.#more?.templates }
    this.#resources = resources
    this.#templates = Object.entries(templates).map(([uri, template]) => ({
      form: new UriTemplate(uri),
      template,
    }))
    this.#tools = new Map(Object.entries({ ...tools, ...this.#more?.tools }))
    this.#prompts = new Map(Object.entries({ ...prompts, ...this.#more?.prompts }))
    const offered = {
      tools: [...this.#tools].map(([name, tool]) => listTool(name, tool)),
      keywords: Object.fromEntries(
        [...this.#tools].flatMap(([name, { keywords }]) =>
          keywords === undefined ? [] : [[name, keywords]],
        ),
      ),
      resources: Object.entries(resources).map(
        ([uri, { title, description, mimeType = 'application/json' }]) => ({
          uri,
          name: title,
          title,
          description,
          mimeType,
        }),
      ),
      resourceTemplates: Object.entries(templates).map(
        ([uriTemplate, { title, description, mimeType = 'application/json' }]) => ({
          uriTemplate,
          name: title,
          title,
          description,
          mimeType,
        }),
      ),
      prompts: [...this.#prompts].map(([name, prompt]) => listPrompt(name, prompt)),
      watched: Object.entries(resources).flatMap(([uri, { watch }]) => (watch ? [uri] : [])),
      changing: this.#more !== undefined,
    }
    this.#definitions = {
      ...offered,
      hash: createHash('sha256').update(JSON.stringify(offered)).digest('hex'),
    }
  }
}

/** `granted`: the ports that the definition needs. */
export function protocolHandler(
  definition: ServiceDefinition,
  granted: Ports,
  offer: () => Offer,
  options: ProtocolOptions,
): McpHttpHandler {
  const { access, stateCodec, now } = options
  const tasks = new Tasks({ service: definition.id, records: options.records, now })
  const callerOf = (request: Request | undefined) =>
    request ? identify(access, request.headers) : Promise.resolve(ANONYMOUS)
  const handler = createMcpHandler(
    ({ requestInfo }) => {
      const { definitions, prompts } = offer()
      const changing = definitions.changing ? { listChanged: true } : {}
      const readable =
        definitions.resources.length + definitions.resourceTemplates.length > 0 || definitions.changing
      const promptable = prompts.size > 0 || definitions.changing
      const server = new Server(
        { name: definition.id, version: options.version, title: options.title },
        {
          capabilities: {
            tools: changing,
            logging: {},
            ...(readable ? { resources: { ...changing, subscribe: definitions.watched.length > 0 } } : {}),
            ...(promptable ? { prompts: changing, completions: {} } : {}),
            extensions: { [TASKS_EXTENSION]: {} },
          },
        },
      )
      server.setRequestHandler('tools/list', () => ({ tools: offer().listings as never, ...CACHED }))
      server.setRequestHandler('tools/call', async ({ params }, context) => {
        const given = params.arguments ?? {}
        const caller = await callerOf(requestInfo)
        const rounds = await roundOf({
          context,
          codec: stateCodec,
          caller: caller.name,
          tool: params.name,
          given,
          nonce: randomUUID(),
        })
        const trace = traceparentOf(requestInfo?.headers.get('traceparent') ?? params._meta?.traceparent)
        return tasks.run(rounds, caller.name, (conversation, onDetach) =>
          toolOutcome(() =>
            options.call(params.name, given, caller, {
              signal: context.mcpReq.signal,
              conversation,
              trace,
              onDetach,
              key: keyOf(params._meta, requestInfo),
              cameWith: rounds.cameWith,
            }),
          ),
        ) as never
      })
      const taskOf = z.looseObject({ taskId: z.string().max(200) })
      const client = (context: ServerContext) => ({ client: capabilitiesOf(context) })
      server.setRequestHandler('tasks/get', { params: taskOf }, async ({ taskId }, context) =>
        tasks.get(client(context), (await callerOf(requestInfo)).name, taskId),
      )
      server.setRequestHandler('tasks/cancel', { params: taskOf }, async ({ taskId }, context) =>
        tasks.cancel(client(context), (await callerOf(requestInfo)).name, taskId),
      )
      server.setRequestHandler(
        'tasks/update',
        { params: taskOf },
        async ({ taskId, inputResponses }, context) =>
          tasks.update(
            client(context),
            (await callerOf(requestInfo)).name,
            taskId,
            // The SDK lifts answers out of the parameters for the methods that it knows, and may for this one.
            { ...(inputResponses as Record<string, unknown> | undefined), ...context.mcpReq.inputResponses },
          ),
      )
      if (readable) serveResources(server, offer, { ...granted, now })
      if (promptable)
        servePrompts(server, offer, { ...granted, now }, async (context, name, given) => {
          const caller = await callerOf(requestInfo)
          return roundOf({
            context,
            codec: stateCodec,
            caller: caller.name,
            tool: `prompt ${name}`,
            given,
            nonce: randomUUID(),
          })
        })
      return server
    },
    { maxRequestBodySize: MAX_BODY_BYTES },
  )
  const fetch: McpHttpHandler['fetch'] = async (request, given) =>
    disagreeing(request, given?.parsedBody, offer().listings) ?? handler.fetch(request, given)
  return { ...handler, fetch }
}

const keyOf = (
  meta: Record<string, unknown> | undefined,
  request: Request | undefined,
): string | undefined => {
  const key = meta?.[IDEMPOTENCY_META] ?? request?.headers.get(IDEMPOTENCY_HEADER)
  return key === undefined || key === null ? undefined : String(key)
}

/** Refuses a call whose headers do not repeat the arguments that its tool's schema marks. */
function disagreeing(
  request: Request,
  message: unknown,
  listings: readonly ToolListing[],
): Response | undefined {
  const listing =
    request.headers.get('mcp-method') === 'tools/call'
      ? listings.find(({ name }) => name === request.headers.get('mcp-name')?.trim())
      : undefined
  if (!listing || !marksHeaders(listing.inputSchema)) return undefined
  const body = message as { id?: unknown; params?: { arguments?: unknown } } | undefined
  const problem = parameterMismatch(listing.inputSchema, body?.params?.arguments, request.headers)
  return problem === undefined
    ? undefined
    : Response.json(
        { jsonrpc: '2.0', id: body?.id ?? null, error: { code: HEADER_MISMATCH, message: problem } },
        { status: 400 },
      )
}

function serveResources(server: Server, offer: () => Offer, context: Ports & { now(): number }): void {
  server.setRequestHandler('resources/list', () => ({ resources: offer().definitions.resources, ...CACHED }))
  server.setRequestHandler('resources/templates/list', () => ({
    resourceTemplates: offer().definitions.resourceTemplates,
    ...CACHED,
  }))
  server.setRequestHandler('resources/read', async ({ params: { uri } }) => {
    const { resources, templates } = offer()
    const resource = Object.hasOwn(resources, uri) ? resources[uri] : undefined
    // What is read may be another thing a moment later.
    const fresh = { ttlMs: 0, cacheScope: 'private' as never }
    if (resource)
      return { contents: [contentsOf(uri, resource.mimeType, await resource.read(context))], ...fresh }
    for (const { form, template } of templates) {
      const variables = form.match(uri)
      if (variables)
        return {
          contents: [
            contentsOf(
              uri,
              template.mimeType,
              await template.read(variables as Record<string, string>, { ...context, uri }),
            ),
          ],
          ...fresh,
        }
    }
    throw new ResourceNotFoundError(uri)
  })
}

function contentsOf(uri: string, mimeType = 'application/json', body: ResourceBody) {
  if (body instanceof Uint8Array) return { uri, mimeType, blob: Buffer.from(body).toString('base64') }
  return { uri, mimeType, text: typeof body === 'string' ? body : JSON.stringify(toPlain(body)) }
}

function servePrompts(
  server: Server,
  offer: () => Offer,
  context: Ports & { now(): number },
  round: (
    context: ServerContext,
    name: string,
    given: Record<string, string>,
  ) => Promise<Pick<Conversation, 'ask'>>,
): void {
  const find = (name: string) => {
    const { prompts } = offer()
    const prompt = prompts.get(name)
    if (!prompt)
      throw new KintsugiError('not-found', `there is no prompt ${name.slice(0, 80)}`, {
        hint: [...prompts.keys()].join(', '),
      })
    return prompt
  }
  server.setRequestHandler('prompts/list', () => ({ prompts: offer().definitions.prompts, ...CACHED }))
  server.setRequestHandler('prompts/get', async ({ params: { name, arguments: given = {} } }, protocol) => {
    const prompt = find(name)
    const missing = prompt.arguments.find(
      (argument) => argument.required && given[argument.name] === undefined,
    )
    if (missing)
      throw new KintsugiError(
        'bad-argument',
        `${missing.name}: expected ${missing.description} (got nothing)`,
      )
    try {
      const { ask } = await round(protocol, name, given)
      const rendered = await prompt.render(given, { ...context, ask })
      const messages: PromptMessage[] =
        typeof rendered === 'string'
          ? [{ role: 'user', content: { type: 'text', text: rendered } }]
          : [...rendered]
      return { description: prompt.description, messages }
    } catch (error) {
      if (error instanceof InputNeeded) return error.result
      throw error
    }
  })
  server.setRequestHandler('completion/complete', async ({ params }) => {
    const argument =
      params.ref.type === 'ref/prompt'
        ? find(params.ref.name).arguments.find(({ name }) => name === params.argument.name)
        : undefined
    const values = (await argument?.complete?.(context, params.argument.value)) ?? []
    return {
      completion: {
        values: values.slice(0, MAX_COMPLETIONS),
        total: values.length,
        hasMore: values.length > MAX_COMPLETIONS,
      },
    }
  })
}

function listPrompt(name: string, prompt: Prompt): PromptListing {
  return {
    name,
    title: prompt.title,
    description: prompt.description,
    arguments: prompt.arguments.map(({ complete: _, ...argument }) => argument),
  }
}
