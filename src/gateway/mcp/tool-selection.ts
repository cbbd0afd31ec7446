/**
 * The tools that a client of the gateway is shown, by the address that it connects to: data, and rules over
 * it.
 */
import { TEST_SERVERS } from '../../mcp/tool-search.ts'
import { KintsugiError } from '../../std/errors.ts'

/** Tools that a client gets in its list in addition to the meta tools. */
export interface Profile {
  readonly title: string
  /** Full names, or `server__*`. */
  readonly pinned: readonly string[]
}

export const PROFILES: Readonly<Record<string, Profile>> = {
  default: { title: 'Search, describe and call; nothing else is listed', pinned: [] },
  trading: {
    title: 'Watch the market and the trades',
    pinned: [
      'mcp_price_feed_server__price_query',
      'mcp_arbitrage_server__*',
      'mcp_flash_loan_server__*',
      'dex_aggregator_mcp_server__find_route',
      'transaction_executor__execution_summary',
    ],
  },
  operator: {
    title: 'Operate the fleet',
    pinned: [
      'self_healing_agent__*',
      'mcp_server_manager__*',
      'mcp-health-check__*',
      'mcp_monitoring_server__*',
    ],
  },
}

/** `includeTest`: whether servers that only test the protocol are listed. */
export type ToolSelection =
  /** The meta tools and `pinned`: names, or `server__*`. */
  | { readonly kind: 'search'; readonly pinned: readonly string[]; readonly includeTest: boolean }
  | { readonly kind: 'all'; readonly includeTest: boolean }
  /** One server, under its tools' own names. */
  | { readonly kind: 'server'; readonly server: string }

const badParameter = (name: string, expected: string, value: string) =>
  new KintsugiError(
    'bad-argument',
    `${name}: expected ${expected} (got ${JSON.stringify(value.slice(0, 40))})`,
  )

/**
 * The selection of an address: `/mcp`, `/mcp?profile=NAME`, `/mcp?tools=all[&include=test]`, `/mcp/SERVER`.
 * Throws `bad-argument` for an unknown value.
 */
export function selectionOf(url: string): ToolSelection {
  const { pathname, searchParams } = new URL(url)
  const server = /^\/mcp\/([^/]+)$/.exec(pathname)?.[1]
  if (server !== undefined) return { kind: 'server', server: decodeURIComponent(server) }
  const include = searchParams.get('include')
  if (include !== null && include !== 'test') throw badParameter('include', 'test', include)
  const includeTest = include === 'test'
  const tools = searchParams.get('tools')
  if (tools === 'all') return { kind: 'all', includeTest }
  if (tools !== null && tools !== 'search') throw badParameter('tools', 'all or search', tools)
  const name = searchParams.get('profile') ?? 'default'
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined
  if (!profile) throw badParameter('profile', `one of ${Object.keys(PROFILES).join(', ')}`, name)
  return { kind: 'search', pinned: profile.pinned, includeTest }
}

/**
 * Whether an item can be used under a selection. `name` is its full name; the items of a connected server
 * start with that server's name.
 */
export const selects = (selection: ToolSelection, service: string, name: string): boolean =>
  selection.kind !== 'server' || selection.server === service || name.startsWith(`${selection.server}__`)

/** Whether resources and prompts of a service are listed under a selection. */
export const lists = (selection: ToolSelection, service: string, name: string): boolean =>
  selects(selection, service, name) &&
  (selection.kind === 'server' || selection.includeTest || !TEST_SERVERS.has(service))

/** Whether `tools/list` returns a tool under a selection. */
export const listsTool = (selection: ToolSelection, service: string, name: string): boolean =>
  lists(selection, service, name) &&
  (selection.kind !== 'search' ||
    selection.pinned.includes(name) ||
    selection.pinned.includes(`${service}__*`))
