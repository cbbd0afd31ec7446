/**
 * Runs one server or agent in memory: through the host's own pipeline, against a small real world, every
 * answer checked against the tool's output schema. For specs beside servers, and for the stub check
 * (scripts/stubs.ts).
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ToolContent } from '../../src/mcp/content.ts'
import type { RunningAgent, ServiceContext, ServiceDefinition, State, Tool } from '../../src/mcp/define.ts'
import type { Caller } from '../../src/mcp/host/access.ts'
import { type HostedService, host } from '../../src/mcp/host/host.ts'
import type { CallOptions } from '../../src/mcp/host/tool-call.ts'
import type { Ports } from '../../src/ports/ports.ts'
import { type ErrorReport, toErrorReport } from '../../src/std/errors.ts'
import { ANSWERED_INSTEAD } from './answered-instead.ts'
import { hostOptions } from './host-options.ts'
import { World } from './world/world.ts'

export { World } from './world/world.ts'

/** May do everything. */
const TRUSTED: Caller = { name: 'spec', scopes: ['spend'] }
const quiet = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }

export interface HarnessOptions {
  /** Default: a world of its own. */
  readonly world?: World
  /** In place of the world's. */
  readonly ports?: Partial<Ports>
  /** What the service knows of its process. */
  readonly service?: Partial<ServiceContext>
  readonly caller?: Caller
}

export interface Harness {
  readonly world: World
  readonly ports: Ports
  /** The service's state. */
  readonly state: unknown
  readonly hosted: HostedService
  /** Calls a tool; amounts are decimal strings, as clients see them. */
  call<T = Answer>(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<T>
  /** The blocks of a tool that answers with content. */
  content(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ToolContent>
  /** Calls a tool that must fail. */
  refusal(tool: string, args?: Record<string, unknown>, options?: CallOptions): Promise<ErrorReport>
  stop(): Promise<void>
}

/** Plain JSON, read as specs do: `answer.items[0].name`. */
// biome-ignore lint/suspicious/noExplicitAny: an answer is JSON; specs assert on its values.
export type Answer = any

export async function harness(definition: ServiceDefinition, options: HarnessOptions = {}): Promise<Harness> {
  const { world = new World(), caller = TRUSTED } = options
  const ports = { ...world.ports(), ...options.ports }
  const service: ServiceContext = {
    now: world.now,
    log: quiet,
    mode: 'local',
    lease: 1,
    overloaded: () => false,
    ...options.service,
  }
  const state: State | undefined =
    definition.kind === 'agent'
      ? await definition.start(ports, service)
      : await definition.state?.(ports, service)
  const hosted = host(instrumented(definition), ports, {
    ...hostOptions({ now: world.now }),
    // A stub of a constant answer is altered, and then need not match its schema.
    checkAnswers: process.env.KINTSUGI_STUBS === undefined,
    state,
    ...(definition.kind === 'agent' ? { agent: state as RunningAgent } : {}),
    records: async () => world.records,
  })
  const call = (tool: string, args: Record<string, unknown> = {}, given?: CallOptions) =>
    hosted.call(tool, args, caller, given)
  return {
    world,
    ports,
    state,
    hosted,
    call: async <T>(tool: string, args?: Record<string, unknown>, given?: CallOptions) => {
      const answer = await call(tool, args, given)
      return (answer instanceof ToolContent ? answer.structured : answer) as T
    },
    content: async (tool, args, given) => {
      const answer = await call(tool, args, given)
      if (!(answer instanceof ToolContent)) throw new Error(`${tool} answers with data`)
      return answer
    },
    refusal: async (tool, args, given) => {
      const answer = await call(tool, args, given).catch((error) => toErrorReport(error))
      if (answer instanceof ToolContent || typeof (answer as unknown as ErrorReport).retry !== 'string')
        throw new Error(`${tool} ${ANSWERED_INSTEAD}: ${JSON.stringify(answer).slice(0, 200)}`)
      return answer as unknown as ErrorReport
    },
    stop: async () => {
      hosted.stop()
      await state?.stop?.()
    },
  }
}

/**
 * The stub check. With KINTSUGI_RECORD, the first answer of every tool is written to that folder. With
 * KINTSUGI_STUBS, a JSON object of tools by service, each of these tools returns its recorded answer,
 * whatever it is asked: its spec must fail. The answer of a tool that is constant by contract is altered,
 * since its recorded answer is the right one. A tool that never answered (one that fails by contract) returns
 * empty content.
 */
function instrumented(definition: ServiceDefinition): ServiceDefinition {
  const folder = process.env.KINTSUGI_RECORD
  if (folder === undefined) return definition
  const stubs = JSON.parse(process.env.KINTSUGI_STUBS ?? '{}') as Record<string, string>
  const stubbed = stubs[definition.id]
  const fileOf = (tool: string) => join(folder, `${definition.id}__${tool}.json`)
  const wrap = ([name, tool]: readonly [string, Tool]): [string, Tool] => {
    const run: Tool['run'] =
      process.env.KINTSUGI_STUBS === undefined
        ? async (input, context) => recorded(fileOf(name), await tool.run(input, context))
        : name === stubbed
          ? () => (tool.constant ? altered(restored(fileOf(name))) : restored(fileOf(name)))
          : tool.run.bind(tool)
    return [name, { ...tool, run }]
  }
  return { ...definition, tools: Object.fromEntries(Object.entries(definition.tools).map(wrap)) }
}

const seen = new Set<string>()
type Output = Awaited<ReturnType<Tool['run']>>

function recorded(file: string, output: Output): Output {
  if (seen.has(file)) return output
  seen.add(file)
  mkdirSync(join(file, '..'), { recursive: true })
  const stored =
    output instanceof ToolContent
      ? { blocks: output.blocks, structured: output.structured }
      : { data: output }
  writeFileSync(
    file,
    JSON.stringify(stored, (_key, value) => (typeof value === 'bigint' ? value.toString() : value)),
  )
  return output
}

function restored(file: string): Output {
  if (!existsSync(file)) return new ToolContent([])
  const { blocks, structured, data } = JSON.parse(readFileSync(file, 'utf8'))
  return blocks ? new ToolContent(blocks, structured) : data
}

/** Another answer of the same shape: every text and number in it differs. */
const alter = (value: unknown): unknown =>
  typeof value === 'string'
    ? `${value}!`
    : typeof value === 'number'
      ? value + 1
      : Array.isArray(value)
        ? value.map(alter)
        : value !== null && typeof value === 'object'
          ? Object.fromEntries(
              Object.entries(value).map(([key, item]) => [key, key === 'type' ? item : alter(item)]),
            )
          : value

const altered = (output: Output): Output =>
  output instanceof ToolContent
    ? new ToolContent(alter(output.blocks) as ToolContent['blocks'], alter(output.structured) as never)
    : (alter(output) as Output)
