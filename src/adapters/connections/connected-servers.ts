/**
 * Connected servers over the official client: started without a shell, with an environment without secrets,
 * and reconnected when they end.
 */
import type { Client, Progress } from '@modelcontextprotocol/client'
import { getDefaultEnvironment, StdioClientTransport } from '@modelcontextprotocol/client/stdio'
import { newClient, transportTo } from '../../mcp/client.ts'
import type {
  ConnectedServer,
  Connections,
  ConnectionTransport,
  GrantedEffect,
  Offered,
  ReadAnswer,
  ToolAnswer,
} from '../../ports/connections.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { backoffDelay } from '../../std/backoff.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { type Definition, type JudgedDefinition, judge, type OfferKind, pinKey } from '../../trust/pins.ts'

/** The ledger setting that holds the connections and their approvals. */
const SETTING = 'connections'
const CONNECT_TIMEOUT_MS = 30_000
/** Definitions are read again at this interval, and when the server reports a change. */
const REFRESH_INTERVAL_MS = 30_000
/** Delays between attempts to reconnect. */
const RECONNECT = { firstMs: 500, maxMs: 60_000 }
/** Definitions of one server beyond this number are ignored. */
const MAX_ITEMS = 500

interface Kept {
  readonly transport: ConnectionTransport
  /** Approved definitions by their keys, each with its granted effect. */
  readonly pins: Readonly<Record<string, { readonly definition: Definition; readonly effect: GrantedEffect }>>
}

interface Connection {
  kept: Kept
  client: Client | undefined
  opening: Promise<void> | undefined
  definitions: readonly Definition[]
  described?: {
    readonly definitions: readonly Definition[]
    readonly pins: Kept['pins']
    readonly items: readonly JudgedDefinition[]
  }
  detail: string | null
  attempt: number
  timer: NodeJS.Timeout | undefined
}

/** Makes the MCP transport of a connection. */
export type MakeTransport = (transport: ConnectionTransport) => Parameters<Client['connect']>[0]

const defaultTransport: MakeTransport = (transport) =>
  transport.kind === 'http'
    ? transportTo({ url: transport.url })
    : new StdioClientTransport({
        command: transport.command,
        args: [...transport.args],
        env: getDefaultEnvironment(),
        stderr: 'ignore',
      })

/** The connected servers of one fleet, kept in the ledger. */
export class ConnectedServers implements Connections {
  readonly #ledger: Pick<Ledger, 'setting' | 'saveSetting'>
  readonly #onNote: (text: string) => void
  readonly #makeTransport: MakeTransport
  readonly #connections = new Map<string, Connection>()
  readonly #loaded: Promise<void>
  readonly #watchers = new Set<() => void>()
  #lastOffered = ''
  #closed = false

  /** `onNote` receives a line for the log. `makeTransport`: over HTTP and processes by default. */
  constructor(
    ledger: Pick<Ledger, 'setting' | 'saveSetting'>,
    onNote: (text: string) => void,
    makeTransport: MakeTransport = defaultTransport,
  ) {
    this.#ledger = ledger
    this.#onNote = onNote
    this.#makeTransport = makeTransport
    this.#loaded = this.#load()
    this.#loaded.catch((error) => onNote(`connections are not readable: ${messageOf(error)}`))
  }

  async connect(name: string, transport: ConnectionTransport): Promise<ConnectedServer> {
    await this.#loaded
    if (this.#connections.has(name))
      throw new KintsugiError('conflict', `name: ${name} is already connected`, {
        hint: 'disconnect it first, or choose another name',
      })
    const connection = this.#keep(name, { transport, pins: {} })
    try {
      await this.#open(name, connection)
    } catch (error) {
      this.#connections.delete(name)
      clearTimeout(connection.timer)
      throw new KintsugiError('server-unreachable', `cannot connect ${name}: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
      })
    }
    await this.#save()
    return describe(name, connection)
  }

  async list(): Promise<ConnectedServer[]> {
    await this.#loaded
    return [...this.#connections].map(([name, connection]) => describe(name, connection))
  }

  async call(
    server: string,
    tool: string,
    args: Record<string, unknown>,
    { signal, onProgress }: Parameters<Connections['call']>[3],
  ): Promise<ToolAnswer> {
    const client = await this.#approved(server, { kind: 'tool', name: tool })
    const progressOptions = onProgress
      ? { onprogress: ({ progress, total, message }: Progress) => onProgress(progress, total, message) }
      : {}
    const result = await client.callTool({ name: tool, arguments: args }, { signal, ...progressOptions })
    if (result.isError) {
      const text = result.content.flatMap((block) => (block.type === 'text' ? [block.text] : [])).join(' ')
      throw new KintsugiError('tool-failed', `${tool} of ${server} failed: ${text.slice(0, 500)}`, {
        data: { content: result.content },
      })
    }
    return {
      content: result.content,
      ...(result.structuredContent === undefined
        ? {}
        : { structuredContent: result.structuredContent as Record<string, unknown> }),
    }
  }

  async read(server: string, by: Pick<Definition, 'kind' | 'name'>, uri: string): Promise<ReadAnswer> {
    const client = await this.#approved(server, by)
    const [first] = (await client.readResource({ uri })).contents
    if (!first) throw new KintsugiError('not-found', `${server} has nothing at ${uri}`)
    return 'blob' in first ? { blob: first.blob } : { text: first.text }
  }

  async prompt(server: string, name: string, args: Record<string, string>): Promise<readonly unknown[]> {
    const client = await this.#approved(server, { kind: 'prompt', name })
    return (await client.getPrompt({ name, arguments: args })).messages
  }

  async complete(
    server: string,
    prompt: string,
    argument: string,
    beginning: string,
  ): Promise<readonly string[]> {
    const client = await this.#approved(server, { kind: 'prompt', name: prompt })
    if (!client.getServerCapabilities()?.completions) return []
    return (
      await client.complete({
        ref: { type: 'ref/prompt', name: prompt },
        argument: { name: argument, value: beginning },
      })
    ).completion.values
  }

  /**
   * The client of a server, for an item whose definition is approved and unchanged. Throws
   * `server-unreachable`, `not-found`, `not-approved`.
   */
  async #approved(server: string, { kind, name }: Pick<Definition, 'kind' | 'name'>): Promise<Client> {
    const connection = await this.#find(server)
    if (!connection.client) await this.#open(server, connection).catch(() => undefined)
    const { client } = connection
    if (!client)
      throw new KintsugiError('server-unreachable', `${server} is unavailable: ${connection.detail}`, {
        retry: 'later',
      })
    const { items } = describe(server, connection)
    const found = items.find((item) => item.kind === kind && item.name === name)
    if (!found)
      throw new KintsugiError('not-found', `${server} has no ${kind} ${JSON.stringify(name)}`, {
        hint: items.flatMap((item) => (item.kind === kind ? [item.name] : [])).join(', '),
      })
    if (found.state !== 'approved')
      throw new KintsugiError(
        'not-approved',
        found.state === 'new'
          ? `${name} of ${server} is not approved yet`
          : `${name} of ${server} differs from the approved definition`,
        {
          hint: `read it with list_connected_definitions, then call approve_definition with its hash ${found.hash}`,
          data: { flags: found.flags, difference: found.difference },
        },
      )
    return client
  }

  async approve(
    server: string,
    one: { kind: OfferKind; name: string; hash: string } | null,
    effect: GrantedEffect,
  ): Promise<ConnectedServer> {
    const connection = await this.#find(server)
    const wanted = describe(server, connection).items.filter(({ kind, name, flags }) =>
      one === null ? flags.length === 0 : kind === one.kind && name === one.name,
    )
    if (one !== null && wanted.length === 0)
      throw new KintsugiError('not-found', `${server} has no ${one.kind} ${JSON.stringify(one.name)}`)
    if (one !== null && wanted[0]?.hash !== one.hash)
      throw new KintsugiError(
        'conflict',
        `hash: the definition of ${one.name} now has the hash ${wanted[0]?.hash}`,
        {
          hint: 'read it again before you approve it',
        },
      )
    const pins = { ...connection.kept.pins }
    for (const { kind, name, said } of wanted)
      pins[pinKey({ kind, name })] = { definition: { kind, name, said }, effect }
    connection.kept = { ...connection.kept, pins }
    await this.#save()
    this.#notifyWatchers()
    return describe(server, connection)
  }

  offered(): Offered[] {
    return [...this.#connections].flatMap(([server, connection]) =>
      describe(server, connection).items.flatMap(({ kind, name, said, state }) => {
        const pin = connection.kept.pins[pinKey({ kind, name })]
        return state === 'approved' && pin ? [{ server, kind, name, said, effect: pin.effect }] : []
      }),
    )
  }

  watch(onChange: () => void): () => void {
    this.#watchers.add(onChange)
    return () => void this.#watchers.delete(onChange)
  }

  #notifyWatchers(): void {
    const offered = JSON.stringify(this.offered())
    if (offered === this.#lastOffered) return
    this.#lastOffered = offered
    for (const watcher of this.#watchers) watcher()
  }

  async disconnect(server: string): Promise<void> {
    const connection = await this.#find(server)
    this.#connections.delete(server)
    clearTimeout(connection.timer)
    await connection.client?.close().catch(() => undefined)
    await this.#save()
    this.#notifyWatchers()
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const { timer, client } of this.#connections.values()) {
      clearTimeout(timer)
      await client?.close().catch(() => undefined)
    }
  }

  async #load(): Promise<void> {
    const kept = (await this.#ledger.setting<Record<string, Kept>>(SETTING)) ?? {}
    for (const [name, each] of Object.entries(kept)) {
      const connection = this.#keep(name, each)
      void this.#open(name, connection).catch(() => undefined)
    }
    this.#notifyWatchers()
  }

  #keep(name: string, kept: Kept): Connection {
    const connection: Connection = {
      kept,
      client: undefined,
      opening: undefined,
      definitions: Object.values(kept.pins).map(({ definition }) => definition),
      detail: 'not connected yet',
      attempt: 0,
      timer: undefined,
    }
    this.#connections.set(name, connection)
    return connection
  }

  async #find(server: string): Promise<Connection> {
    await this.#loaded
    const connection = this.#connections.get(server)
    if (!connection)
      throw new KintsugiError('not-found', `unknown connected server ${JSON.stringify(server)}`, {
        hint: `connected: ${[...this.#connections.keys()].join(', ') || 'none'}`,
      })
    return connection
  }

  #save(): Promise<void> {
    return this.#ledger.saveSetting(
      SETTING,
      Object.fromEntries([...this.#connections].map(([name, { kept }]) => [name, kept])),
    )
  }

  /** Opens a connection; concurrent calls share one attempt. */
  #open(name: string, connection: Connection): Promise<void> {
    connection.opening ??= this.#dial(name, connection).finally(() => {
      connection.opening = undefined
    })
    return connection.opening
  }

  async #dial(name: string, connection: Connection): Promise<void> {
    const client = newClient()
    const { transport } = connection.kept
    try {
      await client.connect(this.#makeTransport(transport), { timeout: CONNECT_TIMEOUT_MS })
      await this.#refresh(connection, client)
    } catch (error) {
      await client.close().catch(() => undefined)
      connection.detail = messageOf(error)
      this.#reconnect(name, connection)
      throw error
    }
    for (const what of ['tools', 'prompts', 'resources'] as const)
      client.setNotificationHandler(
        `notifications/${what}/list_changed`,
        () => void this.#refresh(connection, client).catch(() => undefined),
      )
    const refreshing = setInterval(
      () => void this.#refresh(connection, client).catch(() => undefined),
      REFRESH_INTERVAL_MS,
    )
    client.onclose = () => {
      clearInterval(refreshing)
      if (connection.client !== client) return
      connection.client = undefined
      connection.detail = 'it ended'
      this.#onNote(`the connected server ${name} ended`)
      this.#reconnect(name, connection)
    }
    connection.client = client
    connection.detail = null
    connection.attempt = 0
  }

  async #refresh(connection: Connection, client: Client): Promise<void> {
    const {
      tools: hasTools,
      prompts: hasPrompts,
      resources: hasResources,
    } = client.getServerCapabilities() ?? {}
    const [tools, prompts, resources, templates] = await Promise.all([
      hasTools ? client.listTools().then((listed) => listed.tools) : [],
      hasPrompts ? client.listPrompts().then((listed) => listed.prompts) : [],
      hasResources ? client.listResources().then((listed) => listed.resources) : [],
      hasResources
        ? client.listResourceTemplates().then(
            (listed) => listed.resourceTemplates,
            () => [],
          )
        : [],
    ])
    connection.definitions = [
      ...tools.map(({ name, title, description, inputSchema, outputSchema, annotations }) => ({
        kind: 'tool' as const,
        name,
        said: { title, description, inputSchema, outputSchema, annotations },
      })),
      ...prompts.map(({ name, title, description, arguments: takes }) => ({
        kind: 'prompt' as const,
        name,
        said: { title, description, arguments: takes },
      })),
      ...resources.map(({ uri, name, title, description, mimeType }) => ({
        kind: 'resource' as const,
        name: uri,
        said: { name, title, description, mimeType },
      })),
      ...templates.map(({ uriTemplate, name, title, description, mimeType }) => ({
        kind: 'template' as const,
        name: uriTemplate,
        said: { name, title, description, mimeType },
      })),
    ].slice(0, MAX_ITEMS)
    this.#notifyWatchers()
  }

  #reconnect(name: string, connection: Connection): void {
    if (this.#closed || this.#connections.get(name) !== connection) return
    clearTimeout(connection.timer)
    connection.timer = setTimeout(
      () => void this.#open(name, connection).catch(() => undefined),
      backoffDelay(++connection.attempt, RECONNECT, Math.random),
    )
  }
}

function describe(name: string, connection: Connection): ConnectedServer {
  const { kept, client, definitions, detail } = connection
  // Hashes and flags are computed once, for listed and for approved definitions.
  if (connection.described?.definitions !== definitions || connection.described.pins !== kept.pins)
    connection.described = {
      definitions,
      pins: kept.pins,
      items: definitions.map((definition) => judge(definition, kept.pins[pinKey(definition)]?.definition)),
    }
  return {
    name,
    transport: kept.transport,
    state: client ? 'connected' : 'unavailable',
    detail: client ? null : detail,
    protocol: client?.getNegotiatedProtocolVersion() ?? null,
    items: connection.described.items,
  }
}
