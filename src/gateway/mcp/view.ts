/** What a client of the gateway sees: a few meta tools and what its profile pins, everything, or one server by itself. Data, chosen by the address. */
import { KintsugiError } from '../../std/errors.ts'

export interface Profile {
  readonly title: string
  /** Tools listed besides the meta tools: full names, or `server__*`. */
  readonly pinned: readonly string[]
}

const PROFILES: Readonly<Record<string, Profile>> = {
  default: { title: 'Search, describe and call; nothing else is listed', pinned: [] },
  trading: {
    title: 'For who watches the market and the trades',
    pinned: [
      'mcp_price_feed_server__price_query',
      'mcp_arbitrage_server__*',
      'mcp_flash_loan_server__*',
      'dex_aggregator_mcp_server__best_route',
      'transaction_executor__execution_summary',
    ],
  },
  operator: {
    title: 'For who keeps the fleet up',
    pinned: [
      'self_healing_agent__*',
      'mcp_server_manager__*',
      'mcp-health-check__*',
      'mcp_monitoring_server__*',
    ],
  },
}

export type View =
  /** `pinned`: names or `server__*`. */
  | { readonly kind: 'search'; readonly pinned: readonly string[] }
  | { readonly kind: 'all' }
  /** One server, under its tools' own names. */
  | { readonly kind: 'server'; readonly server: string }

/** `/mcp`, `/mcp?profile=NAME`, `/mcp?tools=all`, `/mcp/SERVER`. Throws `bad-argument` for what is not known. */
export function viewOf(url: string): View {
  const { pathname, searchParams } = new URL(url)
  const server = /^\/mcp\/([^/]+)$/.exec(pathname)?.[1]
  if (server !== undefined) return { kind: 'server', server: decodeURIComponent(server) }
  const tools = searchParams.get('tools')
  if (tools === 'all') return { kind: 'all' }
  if (tools !== null && tools !== 'search')
    throw new KintsugiError(
      'bad-argument',
      `tools: expected all or search (got ${JSON.stringify(tools.slice(0, 40))})`,
    )
  const name = searchParams.get('profile') ?? 'default'
  const profile = Object.hasOwn(PROFILES, name) ? PROFILES[name] : undefined
  if (!profile)
    throw new KintsugiError(
      'bad-argument',
      `profile: expected one of ${Object.keys(PROFILES).join(', ')} (got ${JSON.stringify(name.slice(0, 40))})`,
    )
  return { kind: 'search', pinned: profile.pinned }
}

/** Whether something is of the server that a view is of; of every one where it is of none. A connected server is one like ours. */
export const belongs = (view: View, service: string, name: string): boolean =>
  view.kind !== 'server' || view.server === service || name.startsWith(`${view.server}__`)

/** Whether a view lists a tool without being asked for it. */
export function lists(view: View, service: string, name: string): boolean {
  if (view.kind === 'all') return true
  if (view.kind === 'server') return belongs(view, service, name)
  return view.pinned.includes(name) || view.pinned.includes(`${service}__*`)
}
