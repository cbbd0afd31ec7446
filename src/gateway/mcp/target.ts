/**
 * The target of a request: the service of the tool, prompt, resource or task that it names, and that item's
 * name at the service.
 */
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
import { selects, type ToolSelection } from './tool-selection.ts'

export interface JsonRpcRequest {
  readonly jsonrpc: '2.0'
  readonly id: string | number
  readonly method: string
  readonly params?: Record<string, unknown>
}

/** The service of a request, and the request with that service's own names. */
export interface Target {
  readonly service: string
  /** The key of breakers and limits: the tool, or the method. */
  readonly what: string
  readonly effect: Effect
  readonly guarded: boolean
  readonly params: Record<string, unknown>
  /** The value of the header `Mcp-Name`. */
  readonly name: string | undefined
  /** A tool's input schema, which may mark arguments that are repeated in headers. */
  readonly schema?: Readonly<Record<string, unknown>>
}

type Params = Record<string, unknown>
type Locate = (
  params: Params,
  selection: ToolSelection,
  directory: Directory,
  method: string,
) => Target | undefined

const LOCATE: Readonly<Record<string, Locate>> = {
  'tools/call': locateTool,
  'prompts/get': locatePrompt,
  'resources/read': locateResource,
  'completion/complete': locateCompletion,
  'tasks/get': locateTask,
  'tasks/update': locateTask,
  'tasks/cancel': locateTask,
}

/**
 * The target of a request; undefined for one that the gateway answers itself. Throws `unknown-tool`,
 * `not-found`, `bad-argument`.
 */
export function targetOf(
  { method, params = {} }: JsonRpcRequest,
  selection: ToolSelection,
  directory: Directory,
): Target | undefined {
  const locate = Object.hasOwn(LOCATE, method) ? LOCATE[method] : undefined
  return locate?.(params, selection, directory, method)
}

/** A name in the fleet: if a single server is selected, clients use the server's own names. */
const fullName = (selection: ToolSelection, name: unknown): string =>
  selection.kind === 'server' ? nameOf(selection.server, String(name)) : String(name)

const unknownItem = (kind: string, name: unknown, hint?: string): KintsugiError =>
  new KintsugiError(
    'not-found',
    `unknown ${kind} ${JSON.stringify(String(name).slice(0, 200))}`,
    hint === undefined ? {} : { hint },
  )

const readOf = (service: string, method: string, params: Params, name: string | undefined): Target => ({
  service,
  what: method,
  effect: 'read',
  guarded: false,
  params,
  name,
})

function locateTool(params: Params, selection: ToolSelection, directory: Directory): Target | undefined {
  if (selection.kind === 'server' || !isMetaTool(params.name))
    return toolTarget(fullName(selection, params.name), params, directory)
  if (params.name !== 'call_tool') return undefined
  const call = parseMeta('call_tool', params.arguments)
  return toolTarget(call.name, { ...params, arguments: call.arguments }, directory)
}

function toolTarget(name: string, params: Params, directory: Directory): Target {
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

function locatePrompt(
  params: Params,
  selection: ToolSelection,
  directory: Directory,
  method: string,
): Target {
  const { service, plain } = promptOf(params.name, selection, directory)
  return readOf(service, method, { ...params, name: plain }, plain)
}

function promptOf(name: unknown, selection: ToolSelection, directory: Directory) {
  const prompt = directory.prompts.get(fullName(selection, name))
  if (!prompt)
    throw unknownItem('prompt', name, 'prompts are named server__prompt; prompts/list returns them')
  return prompt
}

function locateResource(
  params: Params,
  selection: ToolSelection,
  directory: Directory,
  method: string,
): Target {
  const found = resourceAt(String(params.uri), selection, directory)
  if (!found) throw unknownItem('resource', params.uri, 'resources/list returns the resources')
  return readOf(found.service, method, { ...params, uri: found.uri }, found.uri)
}

/** A resource by its URI in the fleet, by its URI at the selected server, or by a template. */
function resourceAt(
  uri: string,
  selection: ToolSelection,
  directory: Directory,
): { service: string; uri: string } | undefined {
  const listed = directory.resources.get(uri)
  if (listed && selects(selection, listed.service, listed.listing.name))
    return { service: listed.service, uri: listed.plain }
  if (selection.kind === 'server') {
    const own = [...directory.resources.values()].find(
      ({ service, plain }) => service === selection.server && plain === uri,
    )
    if (own) return { service: own.service, uri }
  }
  const template = directory.templates.find(
    ({ service, plain, listing }) =>
      selects(selection, service, listing.name) && new UriTemplate(plain).match(uri) !== null,
  )
  return template && { service: template.service, uri }
}

function locateCompletion(
  params: Params,
  selection: ToolSelection,
  directory: Directory,
  method: string,
): Target {
  const ref = params.ref as { type?: string; name?: string; uri?: string } | undefined
  if (ref?.type === 'ref/prompt') {
    const { service, plain } = promptOf(ref.name, selection, directory)
    return readOf(service, method, { ...params, ref: { ...ref, name: plain } }, undefined)
  }
  const template = directory.templates.find(
    ({ plain, service }) =>
      plain === ref?.uri && (selection.kind !== 'server' || selection.server === service),
  )
  if (!template) throw unknownItem('resource template', ref?.uri)
  return readOf(template.service, method, params, undefined)
}

function locateTask(params: Params, selection: ToolSelection, directory: Directory, method: string): Target {
  const meta = (params._meta ?? {}) as Record<string, { extensions?: Record<string, unknown> } | undefined>
  if (meta[CLIENT_CAPABILITIES_META_KEY]?.extensions?.[TASKS_EXTENSION] === undefined)
    throw new MissingRequiredClientCapabilityError({
      requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
    })
  const service = serviceOfTask(params.taskId)
  const isKnown = service !== undefined && directory.serves(service)
  if (!isKnown || (selection.kind === 'server' && selection.server !== service))
    throw unknownItem('task', params.taskId)
  return readOf(service, method, params, String(params.taskId))
}
