/**
 * How a server, an agent and a main service are defined. A definition holds words, schemas and short
 * functions; everything else (HTTP, MCP, access, deadlines, audit) is the host's.
 */
import type { PromptMessage } from '@modelcontextprotocol/server'
import * as z from 'zod'
import type { Progress } from '../fleet/alarms.ts'
import type { PortName, Ports } from '../ports/ports.ts'
import type { Background, Log } from '../ports/service.ts'
import type { Code } from '../std/codes.ts'
import type { ToolContent } from './content.ts'
import type { Conversation } from './elicitation.ts'
import { strictDeep } from './strict-schema.ts'

/** Re-exported for definitions. */
export type { Background, Log }

/** `read` changes nothing; `write` changes state; `spend` can move value. */
export type Effect = 'read' | 'write' | 'spend'

/** Facts of the call that runs. */
export interface CallContext extends Conversation {
  /** Aborted when the caller disconnects or the deadline passes. */
  readonly signal: AbortSignal
  /** The caller's name: `anonymous` on loopback without a token, otherwise the token's subject. */
  readonly caller: string
  /** The scopes of the caller's token; empty without a token. */
  readonly scopes: readonly string[]
  /** ms since 1970. */
  now(): number
}

/**
 * The context that `run` receives in addition to its input: the call, the ports that the service needs, and
 * its state.
 */
export type Context<N extends PortName, S = unknown> = CallContext & Pick<Ports, N> & { readonly state: S }

/** The same as hosts build it, without the types of a definition. */
export type HostScope = Pick<Ports, PortName> & { readonly state: never; now(): number }

/**
 * The context of examples, resources and prompts: the ports that the service needs, and the service's state.
 */
export type ServiceScope<N extends PortName, S = unknown> = Pick<Ports, N> & {
  readonly state: S
  /** ms since 1970. */
  now(): number
}

/** The fields of an object, by name. */
export type Shape = Readonly<Record<string, z.ZodType>>
type Awaitable<T> = T | Promise<T>
type ObjectOf<O> = O extends z.ZodObject ? O : O extends Shape ? z.ZodObject<O> : never
/** A handler may return readonly data. */
type ReadonlyDeep<T> = unknown extends T
  ? T
  : T extends bigint | string | number | boolean | null | undefined
    ? T
    : T extends readonly (infer E)[]
      ? readonly ReadonlyDeep<E>[]
      : { readonly [K in keyof T]: ReadonlyDeep<T[K]> }
/** The return type of a handler for an output schema: amounts as `bigint`. */
export type Answer<O> = ReadonlyDeep<z.output<ObjectOf<O>>>

/**
 * Arguments that have to be looked up on the running system, such as the address of a pool. `shown`: as
 * documentation prints them.
 */
export interface FoundArguments<A, C> {
  readonly shown: Readonly<Record<string, unknown>>
  find(scope: C): Awaitable<A>
}

/** Facts of a tool from which access, retries, MCP annotations, approvals and documentation derive. */
export interface ToolFacts {
  readonly description: string
  /**
   * Words that users say when they want this tool and that its description lacks: for the search, not for
   * models.
   */
  readonly keywords?: string
  /**
   * A read of private data, of the outside world, or an expensive one: it needs a token too, and is never
   * hedged.
   */
  readonly guarded?: boolean
  /** Whether it reaches systems outside the fleet. */
  readonly openWorld?: boolean
  /**
   * Whether a person may have to approve a write, as they approve a spend: it starts programs or trusts
   * definitions.
   */
  readonly critical?: boolean
  /** Whether a write may remove or stop something that exists. */
  readonly destructive?: boolean
  /** Whether repeating the call has the same effect as calling once. */
  readonly idempotent?: boolean
  /** Whether the answer is the same for every call, by contract: a fixture of the protocol. */
  readonly constant?: boolean
}

/** Calls of a tool that documentation shows and tests make. */
interface ToolCases<A, C> {
  /**
   * Calls that succeed on a running system. Empty for a tool that needs its client's input, or a subject that
   * a running system may lack.
   */
  readonly examples: readonly (A | FoundArguments<A, C>)[]
  /** Calls that fail with exactly this code. */
  readonly refusals?: readonly (readonly [
    Readonly<Record<string, unknown>> | FoundArguments<Readonly<Record<string, unknown>>, C>,
    Code,
  ])[]
}

interface DataTool<I extends Shape, O extends Shape | z.ZodObject, N extends PortName, S>
  extends ToolFacts,
    ToolCases<z.input<z.ZodObject<I>>, ServiceScope<N, S>> {
  readonly input: I
  readonly output: O
  /**
   * Checks that concern several fields, before the call is approved. Throws `bad-argument` or another
   * refusal.
   */
  validate?(input: z.output<z.ZodObject<I>>): void
  /** For calls that may need a person. */
  readonly approval?: {
    /** Returns true if the call needs no approval. */
    skipWhen?(input: z.output<z.ZodObject<I>>): boolean
    /** The expected effect, as the person who decides sees it. */
    preview?(input: z.output<z.ZodObject<I>>, context: Context<N, S>): Promise<Answer<O>>
  }
  run(input: z.output<z.ZodObject<I>>, context: Context<N, S>): Awaitable<Answer<O>>
}

interface ContentTool<I extends Shape | z.ZodObject, N extends PortName, S>
  extends ToolFacts,
    ToolCases<z.input<ObjectOf<I>>, ServiceScope<N, S>> {
  readonly effect: Effect
  readonly input: I
  /** Published instead of the schema of `input`, where JSON Schema says more than zod. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
  run(input: z.output<ObjectOf<I>>, context: Context<N, S>): Awaitable<ToolContent>
}

/** A tool as the host sees it, without its types. */
export interface Tool extends ToolFacts {
  readonly effect: Effect
  validate?(input: never): void
  readonly approval?: {
    skipWhen?(input: never): boolean
    preview?(input: never, context: never): Promise<Readonly<Record<string, unknown>>>
  }
  /** Strict at every depth. */
  readonly input: z.ZodObject
  /** Published instead of `input`'s own; `input` then accepts what this schema allows. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
  /** Absent where the tool answers with content instead of data. */
  readonly output?: z.ZodObject
  /** Published instead of `output`'s own. */
  readonly outputSchema?: Readonly<Record<string, unknown>>
  readonly examples: readonly (Readonly<Record<string, unknown>> | FoundArguments<unknown, never>)[]
  readonly refusals?: readonly (readonly [
    Readonly<Record<string, unknown>> | FoundArguments<unknown, never>,
    Code,
  ])[]
  run(input: never, context: never): Awaitable<Readonly<Record<string, unknown>> | ToolContent>
}

type DefineTool<N extends PortName, S> = <const I extends Shape, O extends Shape | z.ZodObject>(
  definition: DataTool<I, O, N, S>,
) => Tool

/** Makes tools for one service; `run` sees its ports and its state, typed. */
export interface Toolbox<N extends PortName, S> {
  readonly read: DefineTool<N, S>
  readonly write: DefineTool<N, S>
  readonly spend: DefineTool<N, S>
  /** A tool that answers with content (text, images, sound, resources) instead of data. */
  readonly content: <const I extends Shape | z.ZodObject>(definition: ContentTool<I, N, S>) => Tool
}

const objectOf = (fields: Shape | z.ZodObject): z.ZodObject =>
  fields instanceof z.ZodObject ? fields : z.object(fields)

const dataTool =
  (effect: Effect) =>
  (definition: DataTool<Shape, Shape | z.ZodObject, PortName, unknown>): Tool => ({
    ...(definition as unknown as Tool),
    effect,
    input: strictDeep(objectOf(definition.input)),
    output: objectOf(definition.output),
  })

const TOOLBOX = {
  read: dataTool('read'),
  write: dataTool('write'),
  spend: dataTool('spend'),
  content: (definition: ContentTool<Shape | z.ZodObject, PortName, unknown>): Tool => ({
    ...(definition as unknown as Tool),
    input: definition.inputSchema ? objectOf(definition.input) : strictDeep(objectOf(definition.input)),
  }),
}

/**
 * The toolbox for a service's ports and state: for tools that are made outside `tools`, such as dynamic ones.
 */
export const toolbox = <N extends PortName, S = State>() => TOOLBOX as Toolbox<N, S>

/** Resource body; objects are serialized as JSON. */
export type ResourceBody = Readonly<Record<string, unknown>> | string | Uint8Array

/** A resource under a fixed URI. */
export interface Resource<N extends PortName = PortName, S = never> {
  readonly title: string
  readonly description: string
  /** Default: `application/json`. */
  readonly mimeType?: string
  read(scope: ServiceScope<N, S>): Awaitable<ResourceBody>
  /** Calls `onChange` when the resource changes. Returns an unsubscribe function. */
  watch?(scope: ServiceScope<N, S>, onChange: () => void): () => void
}

/** Resources under URIs of one form. */
export interface ResourceTemplate<N extends PortName = PortName, S = never> {
  readonly title: string
  readonly description: string
  readonly mimeType?: string
  /** `uri`: the requested URI. */
  read(
    variables: Readonly<Record<string, string>>,
    scope: ServiceScope<N, S> & { readonly uri: string },
  ): Awaitable<ResourceBody>
}

/** Messages of a prompt, as MCP has them. */
export type PromptMessages = readonly PromptMessage[]

/** A text for a model, filled in with arguments. */
export interface Prompt<N extends PortName = PortName, S = never> {
  readonly title: string
  readonly description: string
  readonly arguments: readonly {
    readonly name: string
    readonly description: string
    readonly required: boolean
    /** Values that start with `prefix`, for completion. */
    complete?(scope: ServiceScope<N, S>, prefix: string): Awaitable<readonly string[]>
  }[]
  render(
    args: Readonly<Record<string, string>>,
    scope: ServiceScope<N, S> & Pick<Conversation, 'ask'>,
  ): Awaitable<string | PromptMessages>
}

/**
 * Tools, prompts and resources that are added and removed while the service runs: read again after each
 * change.
 */
export interface Dynamic<N extends PortName = PortName, S = never> {
  readonly tools?: Readonly<Record<string, Tool>>
  readonly prompts?: Readonly<Record<string, Prompt<N, S>>>
  readonly resources?: Readonly<Record<string, Resource<N, S>>>
  readonly templates?: Readonly<Record<string, ResourceTemplate<N, S>>>
  stop?(): void
}

/** The common part of servers and agents, without the type of their state. */
interface Service<N extends PortName, S> {
  readonly id: string
  readonly needs: readonly N[]
  /** By URI. */
  readonly resources?: Readonly<Record<string, Resource<N, S>>>
  /** By URI template (RFC 6570, level 1). */
  readonly templates?: Readonly<Record<string, ResourceTemplate<N, S>>>
  readonly prompts?: Readonly<Record<string, Prompt<N, S>>>
  dynamic?(scope: ServiceScope<N, S>, onChange: () => void): Dynamic<N, S>
}

/** The facts of its process that a service receives. */
export interface ServiceContext {
  now(): number
  log: Log
  /** `local` trades on the embedded chain, `paper` simulates. */
  readonly mode: 'local' | 'paper'
  /** Rises with each start of the fleet's executor. */
  readonly lease: number
  /** Whether the machine is overloaded: what nobody waits for pauses. */
  overloaded(): boolean
}

/** State with background work; stopped with its service. */
export type State = object & {
  stop?(): void | Promise<void>
  /** Why the service cannot answer yet; undefined if it can. */
  unready?(): string | undefined
}

/** A server as processes host it, without its types. */
export interface ServerDefinition extends Service<PortName, never> {
  readonly kind: 'server'
  readonly tools: Readonly<Record<string, Tool>>
  /** Only one instance may run, because it acts by itself or holds a connection. Agents always are. */
  readonly singleton?: boolean
  /** Created once per instance, before the first call; stopped with the service. */
  state?(ports: Ports, service: ServiceContext): Awaitable<State>
}

/** A decision of an agent, with its reasons. */
export interface AgentDecision {
  readonly id: string
  readonly at: number
  readonly summary: string
  readonly reasons: readonly string[]
  readonly data?: Record<string, unknown>
}

/** A running agent: the state of its service. */
export interface RunningAgent extends Background {
  /** The last decisions, newest first. */
  decisions(limit: number): Awaitable<readonly AgentDecision[]>
  /** Its current activity, for `/health`. */
  state(): Record<string, unknown>
  /** How far its work has come, for the fleet's alarms; asked once a second. */
  progress?(): Progress
  /** Runs a task; absent if the agent accepts none. */
  coordinate?(task: {
    description: string
    arguments: Record<string, unknown>
  }): Promise<Record<string, unknown>>
  /** Addresses beyond those of every service, such as `GET /incidents`. A POST needs a token. */
  readonly endpoints?: Readonly<
    Record<
      `${'GET' | 'POST'} /${string}`,
      (given: Record<string, unknown>) => Promise<Record<string, unknown>>
    >
  >
  /** Stops accepting work and waits, within the signal, for work in flight. */
  drain?(signal: AbortSignal): Promise<void>
}

/** An agent as processes host it, without its types. */
export interface AgentDefinition extends Service<PortName, never> {
  readonly kind: 'agent'
  readonly tools: Readonly<Record<string, Tool>>
  readonly duty: string
  /** Trades wait for it: it reads a block before other services do. */
  readonly urgent?: boolean
  start(ports: Ports, service: ServiceContext): Promise<RunningAgent>
}

/** A server or an agent. */
export type ServiceDefinition = ServerDefinition | AgentDefinition

/**
 * Defines a server. Its port, title and category are in the catalogue. `state` comes before `tools`, so that
 * its type reaches them.
 */
export function defineServer<const N extends PortName, S extends State = Record<never, never>>(
  definition: Service<N, S> & {
    readonly singleton?: boolean
    state?(ports: Pick<Ports, N>, service: ServiceContext): Awaitable<S>
    tools(toolbox: Toolbox<N, S>): Readonly<Record<string, Tool>>
  },
): ServerDefinition {
  return { ...erased(definition), kind: 'server', tools: definition.tools(toolbox<N, S>()) }
}

/**
 * Defines an agent. Its port and title are in the catalogue. What `start` returns is the `state` that its
 * tools see.
 */
export function defineAgent<const N extends PortName, A extends RunningAgent>(
  definition: Service<N, A> & {
    readonly duty: string
    readonly urgent?: boolean
    start(ports: Pick<Ports, N>, service: ServiceContext): Promise<A>
    tools(toolbox: Toolbox<N, A>): Readonly<Record<string, Tool>>
  },
): AgentDefinition {
  return { ...erased(definition), kind: 'agent', tools: definition.tools(toolbox<N, A>()) }
}

/** Types of ports and state end here: the host passes exactly the types of the definition. */
const erased = <T>(definition: T) => definition as T & Service<PortName, never> & AgentStart
interface AgentStart {
  start(ports: Ports, service: ServiceContext): Promise<RunningAgent>
}

/** The facts of its process that a main service receives. */
export interface MainContext extends ServiceContext {
  readonly access: import('./host/access.ts').AccessPolicy
  /** Collects spans and metrics; undefined without a collector. */
  readonly telemetry: import('../ports/telemetry.ts').Telemetry | undefined
  /** The same in every process of the fleet. */
  readonly secret: string | undefined
  /** Our own token, for calls of other services. */
  bearer(): string | undefined
  readonly requestTimeoutMs: number
  readonly plan: {
    readonly version: string
    readonly dataFolder: string
    readonly profile: string
    readonly ports: Readonly<Record<string, number>>
    readonly startedAt: number
  }
  readiness(): Promise<string | undefined>
}

/** A running main service. */
export interface RunningMain extends Background {
  readonly app: { fetch(request: Request, env?: unknown): Response | Promise<Response> }
  upgrade?(
    request: import('node:http').IncomingMessage,
    socket: import('node:stream').Duplex,
    head: Buffer,
  ): void
  /** Why it is not ready although it answers; undefined if it is ready. */
  unready?(): string | undefined
}

/** A main service: it has an interface of its own instead of tools. */
export interface MainDefinition<N extends PortName = PortName> {
  readonly kind: 'main'
  readonly id: string
  readonly needs: readonly N[]
  start(ports: Pick<Ports, N>, context: MainContext): Promise<RunningMain>
}

/** Defines a main service. Its port and title are in the catalogue. */
export function defineMain<const N extends PortName>(
  definition: Omit<MainDefinition<N>, 'kind'>,
): MainDefinition<N> {
  return { kind: 'main', ...definition }
}

/** Whatever a service's file exports. */
export type AnyDefinition = ServiceDefinition | MainDefinition
