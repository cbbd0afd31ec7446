/** Every tool of the fleet behind one MCP endpoint, as `server__tool`. One dead service never breaks the list of the others. */
import { createMcpHandler, Server } from '@modelcontextprotocol/server'
import { type AccessPolicy, authorize, identify } from '../mcp/access.ts'
import type { ToolListing } from '../mcp/schema.ts'
import { refuseUnauthorizedCall, toolOutcome } from '../mcp/surface.ts'
import type { FleetControl } from '../ports/fleet.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'
import type { Dispatch } from '../adapters/fleet/dispatch.ts'

export interface ToolGatewayOptions {
  fleet: FleetControl
  access: AccessPolicy
  token: string | undefined
  dispatch: Dispatch
  version: string
  timeoutMs: number
  now(): number
}

const LIST_TTL_MS = 5_000

interface Listed {
  tools: (ToolListing & { service: string; plainName: string })[]
  missing: { service: string; reason: string }[]
  at: number
}

export interface ToolGateway {
  handle(request: Request): Promise<Response>
  list(): Promise<Listed>
}

export function toolGateway(options: ToolGatewayOptions): ToolGateway {
  const { fleet, access, token, dispatch, now } = options
  let listed: Listed | undefined
  const own = token ? { authorization: `Bearer ${token}` } : {}

  const list = async (): Promise<Listed> => {
    if (listed && now() - listed.at < LIST_TTL_MS) return listed
    const { services } = await fleet.status()
    const missing: Listed['missing'] = []
    const perService = await Promise.all(
      services
        .filter((service) => service.kind === 'server' || service.kind === 'agent')
        .map(async ({ id, port }) => {
          try {
            const response = await fetch(`http://127.0.0.1:${port}/tools`, { headers: own, signal: AbortSignal.timeout(1_000) })
            if (!response.ok) throw new Error(`status ${response.status}`)
            const { tools } = (await response.json()) as { tools: ToolListing[] }
            return tools.map((tool) => ({ ...tool, name: `${id}__${tool.name}`, service: id, plainName: tool.name }))
          } catch (error) {
            missing.push({ service: id, reason: messageOf(error) })
            // What it offered before stays listed: it is being brought back.
            return listed?.tools.filter((tool) => tool.service === id) ?? []
          }
        }),
    )
    listed = { tools: perService.flat(), missing, at: now() }
    return listed
  }

  const call = async (name: string, given: Record<string, unknown>, caller: 'operator' | 'anonymous', signal: AbortSignal): Promise<Record<string, unknown>> => {
    const { tools, missing } = await list()
    const tool = tools.find((candidate) => candidate.name === name)
    if (!tool) {
      throw new KintsugiError('unknown-tool', `no tool is called ${JSON.stringify(name.slice(0, 120))}`, {
        hint: `tools are named server__tool${missing.length > 0 ? `; not answering now: ${missing.map((item) => item.service).join(', ')}` : ''}`,
      })
    }
    authorize(access, caller, neededFor(tool))
    // The caller's token is never passed on: the gateway has checked it, and speaks with its own where one is needed.
    return dispatch.call({
      service: tool.service,
      tool: tool.plainName,
      effect: tool._meta['kintsugi/effect'],
      arguments: given,
      headers: caller === 'operator' || access.required || access.beyondLoopback ? own : {},
      signal: AbortSignal.any([signal, AbortSignal.timeout(options.timeoutMs)]),
    })
  }

  const handler = createMcpHandler((request) => {
    const server = new Server(
      { name: 'kintsugi', version: options.version, title: 'Kintsugi' },
      { capabilities: { tools: {} }, instructions: 'Tools are named server__tool. Reads are free; tools with the effect "write" or "spend" need the token.' },
    )
    server.setRequestHandler('tools/list', async () => {
      const { tools, missing } = await list()
      return {
        tools: tools.map(({ service: _, plainName: __, ...tool }) => tool) as never,
        ttlMs: LIST_TTL_MS,
        cacheScope: 'public' as never,
        ...(missing.length > 0 ? { _meta: { 'kintsugi/missing': missing } } : {}),
      }
    })
    server.setRequestHandler('tools/call', async ({ params }, context) => {
      const caller = request.requestInfo ? identify(access, request.requestInfo.headers) : 'anonymous'
      return toolOutcome(() => call(params.name, params.arguments ?? {}, caller, context.mcpReq.signal))
    })
    return server
  })

  return {
    list,
    async handle(request) {
      await refuseUnauthorizedCall(request, access, async (name) => {
        const tool = (await list()).tools.find((candidate) => candidate.name === name)
        return tool && neededFor(tool)
      })
      return handler.fetch(request)
    },
  }
}

const neededFor = (tool: ToolListing) => ({ effect: tool._meta['kintsugi/effect'], guarded: tool._meta['kintsugi/guarded'] })
