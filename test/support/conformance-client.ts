/** Our client under the conformance suite: performs each scenario, with a person who agrees to everything. */
import {
  type OAuthClientProvider,
  type OAuthTokens,
  type StoredOAuthClientInformation,
  UnauthorizedError,
} from '@modelcontextprotocol/client'
import { newClient, transportTo } from '../../src/mcp/client.ts'

const url = process.argv.at(-1) as string
const context = JSON.parse(process.env.MCP_CONFORMANCE_CONTEXT ?? '{}') as {
  client_id?: string
  client_secret?: string
  toolCalls?: { name: string; arguments: Record<string, unknown> }[]
}
const REDIRECT = 'http://127.0.0.1:9/callback'
const MAX_ROUNDS = 2

/** Follows the issuer's redirect like a browser with an agreeing person, and stores the tokens by issuer. */
class Agreeing implements OAuthClientProvider {
  readonly redirectUrl = REDIRECT
  readonly clientMetadataUrl = 'https://conformance-test.local/client-metadata.json'
  readonly clientMetadata = {
    client_name: 'kintsugi',
    redirect_uris: [REDIRECT],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'client_secret_post',
    application_type: 'native',
  }
  callback: URLSearchParams | undefined
  #client: StoredOAuthClientInformation | undefined
  #tokens: OAuthTokens | undefined
  #verifier = ''

  clientInformation() {
    if (this.#client) return this.#client
    return context.client_id === undefined
      ? undefined
      : {
          client_id: context.client_id,
          ...(context.client_secret === undefined ? {} : { client_secret: context.client_secret }),
        }
  }
  saveClientInformation(client: StoredOAuthClientInformation) {
    this.#client = client
  }
  tokens() {
    return this.#tokens
  }
  saveTokens(tokens: OAuthTokens) {
    this.#tokens = tokens
  }
  invalidateCredentials(what: string) {
    if (what === 'all' || what === 'client') this.#client = undefined
    if (what === 'all' || what === 'tokens') this.#tokens = undefined
  }
  async redirectToAuthorization(to: URL) {
    const response = await fetch(to, { redirect: 'manual' })
    const location = response.headers.get('location')
    this.callback = location === null ? undefined : new URL(location, to).searchParams
  }
  saveCodeVerifier(verifier: string) {
    this.#verifier = verifier
  }
  codeVerifier() {
    return this.#verifier
  }
}
const authProvider = new Agreeing()

/** Runs a request; if the server requires a token, obtains one and repeats the request. */
async function authorized<T>(
  transport: () => ReturnType<typeof transportTo>,
  work: () => Promise<T>,
): Promise<T> {
  for (let round = 1; ; round++) {
    try {
      return await work()
    } catch (error) {
      const cause = error instanceof UnauthorizedError ? error : (error as { cause?: unknown }).cause
      if (!(cause instanceof UnauthorizedError) || !authProvider.callback || round > MAX_ROUNDS) throw error
      const callback = authProvider.callback
      authProvider.callback = undefined
      await transport().finishAuth(callback)
    }
  }
}

function exampleOf(schema: {
  properties?: Record<string, { type?: string; enum?: unknown[]; default?: unknown }>
  required?: string[]
}): Record<string, unknown> {
  const values: Record<string, unknown> = {
    string: 'text',
    number: 2,
    integer: 2,
    boolean: true,
    array: [],
    object: {},
  }
  return Object.fromEntries(
    (schema.required ?? []).map((name) => [
      name,
      schema.properties?.[name]?.enum?.[0] ?? values[schema.properties?.[name]?.type ?? 'string'],
    ]),
  )
}

let transport = transportTo({ url, authProvider })
const make = () => {
  const made = newClient('kintsugi-conformance', {
    elicitation: { form: { applyDefaults: true } },
    sampling: {},
    roots: {},
  })
  made.setRequestHandler('elicitation/create', ({ params }) => {
    const { properties = {} } =
      (params as { requestedSchema?: { properties?: Record<string, { type?: string; default?: unknown }> } })
        .requestedSchema ?? {}
    // Fields with a default keep it.
    const content = Object.fromEntries(
      Object.entries(properties).flatMap(([name, { type, default: defaultValue }]) =>
        defaultValue === undefined
          ? [[name, type === 'boolean' ? true : type === 'string' ? 'text' : 1]]
          : [],
      ),
    )
    return { action: 'accept' as const, content }
  })
  return made
}
const client = await authorized(
  () => transport,
  async () => {
    const fresh = make()
    transport = transportTo({ url, authProvider })
    await fresh.connect(transport)
    return fresh
  },
)
const again = <T>(work: () => Promise<T>) => authorized(() => transport, work)
const capabilities = client.getServerCapabilities() ?? {}
let failed = false
const attempt = async (what: string, work: () => Promise<unknown>) => {
  try {
    await again(work)
  } catch (error) {
    failed = true
    console.error(what, error)
  }
}
const { tools } = await again(() => client.listTools())
const calls =
  context.toolCalls ??
  tools.map(({ name, inputSchema }) => ({ name, arguments: exampleOf(inputSchema as never) }))
const focal = tools.find(({ name }) => name === 'json_schema_2020_12_tool')
for (const { name, arguments: args } of calls)
  await attempt(name, () =>
    client.callTool({
      name,
      arguments: focal && Object.hasOwn(args, 'schema') ? { ...args, schema: focal.inputSchema } : args,
    }),
  )
if (capabilities.resources)
  await attempt('resources', async () => {
    for (const { uri } of (await client.listResources()).resources) await client.readResource({ uri })
  })
if (capabilities.prompts)
  await attempt('prompts', async () => {
    for (const { name, arguments: args = [] } of (await client.listPrompts()).prompts)
      await client.getPrompt({
        name,
        arguments: Object.fromEntries(
          args.filter(({ required }) => required).map((each) => [each.name, 'text']),
        ),
      })
  })
await client.close()
process.exit(failed ? 1 : 0)
