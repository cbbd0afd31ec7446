/** Where a request goes: whose tool, prompt, resource or task it names, and under which name its server knows it. */
import {
  CLIENT_CAPABILITIES_META_KEY,
  MissingRequiredClientCapabilityError,
  UriTemplate,
} from '@modelcontextprotocol/server'
import type { Effect } from '../../mcp/define.ts'
import { TASKS_EXTENSION } from '../../mcp/elicitation.ts'
import { serviceOfTask } from '../../mcp/host/tasks.ts'
import { nameOf } from '../../mcp/tool-search.ts'
import { KintsugiError } from '../../std/errors.ts'
import type { Directory } from './directory.ts'
import { isMetaTool, parseMeta, unknownTool } from './meta-tools.ts'
import { belongs, type View } from './view.ts'

export interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: string | number
  readonly method: string
  readonly params?: Record<string, unknown>
}

/** Where a request goes, and as what. */
export interface Target {
  readonly service: string
  /** For breakers: the tool, or the method. */
  readonly what: string
  readonly effect: Effect
  readonly guarded: boolean
  readonly params: Record<string, unknown>
  /** What the header `Mcp-Name` must say. */
  readonly name: string | undefined
  /** Of a tool: which arguments go into headers too. */
  readonly schema?: Readonly<Record<string, unknown>>
}

/** Undefined for what is answered here. Throws `unknown-tool`, `not-found`, `bad-argument`. */
export function targetOf(call: JsonRpcRequest, view: View, directory: Directory): Target | undefined {
  const params = call.params ?? {}
  const full = (name: string) => (view.kind === 'server' ? nameOf(view.server, name) : name)
  switch (call.method) {
    case 'tools/call': {
      if (view.kind !== 'server' && isMetaTool(params.name)) {
        if (params.name !== 'call_tool') return undefined
        const inner = parseMeta('call_tool', params.arguments)
        return toolTarget(inner.name, { ...params, arguments: inner.arguments }, directory)
      }
      return toolTarget(full(String(params.name)), params, directory)
    }
    case 'prompts/get': {
      const prompt = directory.prompts.get(full(String(params.name)))
      if (!prompt)
        throw new KintsugiError(
          'not-found',
          `there is no prompt ${JSON.stringify(String(params.name).slice(0, 120))}`,
          { hint: 'prompts are named server__prompt' },
        )
      return {
        service: prompt.service,
        what: call.method,
        effect: 'read',
        guarded: false,
        params: { ...params, name: prompt.plain },
        name: prompt.plain,
      }
    }
    case 'resources/read': {
      const uri = String(params.uri)
      const found = resourceAt(uri, view, directory)
      if (!found)
        throw new KintsugiError('not-found', `there is no resource ${JSON.stringify(uri.slice(0, 200))}`)
      return {
        service: found.service,
        what: call.method,
        effect: 'read',
        guarded: false,
        params: { ...params, uri: found.uri },
        name: found.uri,
      }
    }
    case 'completion/complete': {
      const ref = params.ref as { type?: string; name?: string; uri?: string } | undefined
      if (ref?.type === 'ref/prompt') {
        const prompt = directory.prompts.get(full(String(ref.name)))
        if (!prompt)
          throw new KintsugiError(
            'not-found',
            `there is no prompt ${JSON.stringify(String(ref.name).slice(0, 120))}`,
          )
        return {
          service: prompt.service,
          what: call.method,
          effect: 'read',
          guarded: false,
          params: { ...params, ref: { ...ref, name: prompt.plain } },
          name: undefined,
        }
      }
      const template = directory.templates.find(
        ({ plain, service }) => plain === ref?.uri && (view.kind !== 'server' || view.server === service),
      )
      if (!template)
        throw new KintsugiError(
          'not-found',
          `there is no resource template ${JSON.stringify(String(ref?.uri).slice(0, 200))}`,
        )
      return {
        service: template.service,
        what: call.method,
        effect: 'read',
        guarded: false,
        params,
        name: undefined,
      }
    }
    case 'tasks/get':
    case 'tasks/update':
    case 'tasks/cancel': {
      const meta = (params._meta ?? {}) as Record<
        string,
        { extensions?: Record<string, unknown> } | undefined
      >
      const required = { extensions: { [TASKS_EXTENSION]: {} } }
      if (meta[CLIENT_CAPABILITIES_META_KEY]?.extensions?.[TASKS_EXTENSION] === undefined)
        throw new MissingRequiredClientCapabilityError({ requiredCapabilities: required })
      const service = serviceOfTask(params.taskId)
      if (
        service === undefined ||
        !directory.serves(service) ||
        (view.kind === 'server' && view.server !== service)
      )
        throw new KintsugiError(
          'not-found',
          `there is no task ${JSON.stringify(String(params.taskId).slice(0, 100))}`,
        )
      return {
        service,
        what: call.method,
        effect: 'read',
        guarded: false,
        params,
        name: String(params.taskId),
      }
    }
    default:
      return undefined
  }
}

function toolTarget(name: string, params: Record<string, unknown>, directory: Directory): Target {
  const tool = directory.tools.get(name)
  if (!tool) throw unknownTool(name, directory)
  const { 'kintsugi/effect': effect, 'kintsugi/guarded': guarded } = tool.listing._meta
  return {
    service: tool.service,
    what: tool.plain,
    effect,
    guarded,
    params: { ...params, name: tool.plain },
    name: tool.plain,
    schema: tool.listing.inputSchema,
  }
}

function resourceAt(
  uri: string,
  view: View,
  directory: Directory,
): { service: string; uri: string } | undefined {
  const listed = directory.resources.get(uri)
  if (listed && belongs(view, listed.service, listed.listing.name))
    return { service: listed.service, uri: listed.plain }
  if (view.kind === 'server') {
    const own = [...directory.resources.values()].find(
      ({ service, plain }) => service === view.server && plain === uri,
    )
    if (own) return { service: own.service, uri }
  }
  const template = directory.templates.find(
    ({ service, plain, listing }) =>
      belongs(view, service, listing.name) && new UriTemplate(plain).match(uri) !== null,
  )
  return template && { service: template.service, uri }
}
