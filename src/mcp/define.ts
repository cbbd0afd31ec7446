/** How a tool, a server and an agent are defined: words, schemas and a short function each. */
import type { PromptMessage } from '@modelcontextprotocol/server'
import type { z } from 'zod'
import type { PortName, Ports } from '../ports/ports.ts'
import type { ToolContent } from './content.ts'
import type { Conversation } from './elicitation.ts'

/** `read` changes nothing; `write` changes state; `spend` can move value. */
export type Effect = 'read' | 'write' | 'spend'

export interface CallContext extends Conversation {
  /** Aborted when the caller goes away or the deadline passes. */
  readonly signal: AbortSignal
  /** Who calls: `anonymous` on loopback, otherwise the token's name. */
  readonly caller: string
  /** What the caller's token allows; empty without one. */
  readonly scopes: readonly string[]
  /** ms since 1970. */
  now(): number
}

/** A tool's context: the call, and only the ports that its server names. */
export type Context<N extends PortName> = CallContext & Pick<Ports, N>

export interface Tool<N extends PortName = PortName> {
  readonly description: string
  readonly effect: Effect
  /** What people say when they want it and its description does not: for the search, not for models. */
  readonly keywords?: string
  /** A write that may run again where nobody knows whether it has: it sets what it sets, however often. */
  readonly idempotent?: boolean
  /** It reaches beyond the fleet: as a spend, it needs a person where the policy says so. */
  readonly critical?: boolean
  /** For calls that need a person: when there is nothing to decide, and what would happen. */
  readonly approval?: {
    harmless?(input: never): boolean
    preview?(input: never, context: Context<N>): Promise<Record<string, unknown>>
  }
  /** A read that shows private data, reaches outside or is expensive: it needs a token too. */
  readonly guarded?: boolean
  readonly input: z.ZodObject
  /** In place of `input`'s own, where JSON Schema says more than zod, or comes from elsewhere. */
  readonly inputSchema?: Readonly<Record<string, unknown>>
  /** Absent where it answers with content instead of data. */
  readonly output?: z.ZodObject
  /** In place of `output`'s own. */
  readonly outputSchema?: Readonly<Record<string, unknown>>
  /** A call that works on a running system; the contract suite makes it. */
  readonly example: Record<string, unknown>
  run(
    input: never,
    context: Context<N>,
  ): Promise<Record<string, unknown> | ToolContent> | Record<string, unknown> | ToolContent
}

/** Makes the `tool` function for a server's needs: `run` then sees exactly those ports, typed. */
export function toolWith<const N extends readonly PortName[]>(_needs: N) {
  return <I extends z.ZodObject, O extends z.ZodObject>(definition: {
    description: string
    effect: Effect
    keywords?: string
    guarded?: boolean
    critical?: boolean
    idempotent?: boolean
    approval?: {
      harmless?(input: z.output<I>): boolean
      preview?(input: z.output<I>, context: Context<N[number]>): Promise<z.input<O>>
    }
    input: I
    output: O
    example: z.input<I>
    run(input: z.output<I>, context: Context<N[number]>): Promise<z.input<O>> | z.input<O>
  }): Tool<N[number]> => definition as unknown as Tool<N[number]>
}

/** The same for tools that answer with content: text, images, sound, resources. */
export function contentToolWith<const N extends readonly PortName[]>(_needs: N) {
  return <I extends z.ZodObject>(definition: {
    description: string
    effect: Effect
    input: I
    inputSchema?: Readonly<Record<string, unknown>>
    example: z.input<I>
    run(input: z.output<I>, context: Context<N[number]>): Promise<ToolContent> | ToolContent
  }): Tool<N[number]> => definition as unknown as Tool<N[number]>
}

/** Work that goes on besides calls; stopped with the service. */
export interface Background {
  stop(): void | Promise<void>
}

/** What is read: an object is said as JSON. */
export type ResourceBody = Record<string, unknown> | string | Uint8Array

/** Something to read under a fixed URI. */
export interface Resource<N extends PortName = PortName> {
  readonly title: string
  readonly description: string
  /** `application/json` where it is absent. */
  readonly mimeType?: string
  read(context: Pick<Ports, N> & { now(): number }): Promise<ResourceBody> | ResourceBody
  /** Tells when what is read has changed, for those who subscribe. Returns how to stop. */
  watch?(ports: Pick<Ports, N>, onChange: () => void): () => void
}

/** Things to read under URIs of one form. */
export interface ResourceTemplate<N extends PortName = PortName> {
  readonly title: string
  readonly description: string
  readonly mimeType?: string
  /** `uri`: what was asked for. */
  read(
    variables: Readonly<Record<string, string>>,
    context: Pick<Ports, N> & { now(): number; readonly uri: string },
  ): Promise<ResourceBody> | ResourceBody
}

export type PromptMessages = readonly PromptMessage[]

/** A text for a model, filled in with arguments. */
export interface Prompt<N extends PortName = PortName> {
  readonly title: string
  readonly description: string
  readonly arguments: readonly {
    readonly name: string
    readonly description: string
    readonly required: boolean
    /** Values that begin so, for completion. */
    complete?(ports: Pick<Ports, N>, beginning: string): Promise<readonly string[]> | readonly string[]
  }[]
  render(
    given: Readonly<Record<string, string>>,
    context: Pick<Ports, N> & Pick<Conversation, 'ask'> & { now(): number },
  ): Promise<string | PromptMessages> | string | PromptMessages
}

/** What is offered besides, and comes and goes: read anew after each change. */
export interface More<N extends PortName = PortName> {
  readonly tools?: Readonly<Record<string, Tool<N>>>
  readonly prompts?: Readonly<Record<string, Prompt<N>>>
  readonly resources?: Readonly<Record<string, Resource<N>>>
  readonly templates?: Readonly<Record<string, ResourceTemplate<N>>>
  stop?(): void
}

interface Service<N extends PortName> {
  readonly id: string
  readonly needs: readonly N[]
  readonly tools: Readonly<Record<string, Tool<N>>>
  /** By URI. */
  readonly resources?: Readonly<Record<string, Resource<N>>>
  /** By URI template (RFC 6570, level 1). */
  readonly templates?: Readonly<Record<string, ResourceTemplate<N>>>
  readonly prompts?: Readonly<Record<string, Prompt<N>>>
  more?(ports: Pick<Ports, N>, onChange: () => void): More<N>
  /** It acts by itself, so that only one of it may run. Agents always do. */
  readonly alone?: boolean
  /** Starts background work once the ports are there. */
  start?(ports: Pick<Ports, N>, service: ServiceContext): Promise<Background> | Background
}

export interface ServiceContext {
  now(): number
  log: Log
  /** The mode and policies come from here, never from the environment. */
  readonly mode: 'local' | 'paper'
  /** Rises with each start of the fleet's executor. */
  readonly lease: number
}

export interface Log {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

export interface ServerDefinition<N extends PortName = PortName> extends Service<N> {
  readonly kind: 'server'
}

/** A decision of an agent, with its reasons. */
export interface AgentDecision {
  readonly id: string
  readonly at: number
  readonly summary: string
  readonly reasons: readonly string[]
  readonly data?: Record<string, unknown>
}

export interface RunningAgent extends Background {
  /** The last decisions, newest first. */
  decisions(limit: number): readonly AgentDecision[] | Promise<readonly AgentDecision[]>
  /** What it does now, for `/health`. */
  state(): Record<string, unknown>
  /** A task for it; absent where the agent takes none. */
  coordinate?(task: {
    description: string
    arguments: Record<string, unknown>
  }): Promise<Record<string, unknown>>
  /** Addresses beyond those that every service has, such as `GET /incidents`. A POST needs the token. */
  readonly endpoints?: Readonly<
    Record<
      `${'GET' | 'POST'} /${string}`,
      (given: Record<string, unknown>) => Promise<Record<string, unknown>>
    >
  >
  /** Stops taking work and waits, within the signal, for what is under way. */
  drain?(signal: AbortSignal): Promise<void>
}

export interface AgentDefinition<N extends PortName = PortName> extends Omit<Service<N>, 'start'> {
  readonly kind: 'agent'
  readonly duty: string
  /** Trades wait for it to read a block: it reads before the others. */
  readonly urgent?: boolean
  start(ports: Pick<Ports, N>, service: ServiceContext): Promise<RunningAgent>
}

export type ServiceDefinition<N extends PortName = PortName> = ServerDefinition<N> | AgentDefinition<N>

/** Defines a server. Its port, title and category stand in the catalogue. */
export function defineServer<const N extends PortName>(
  definition: Omit<ServerDefinition<N>, 'kind'>,
): ServerDefinition<N> {
  return { kind: 'server', ...definition }
}

/** Defines an agent. Its port and title stand in the catalogue. */
export function defineAgent<const N extends PortName>(
  definition: Omit<AgentDefinition<N>, 'kind'>,
): AgentDefinition<N> {
  return { kind: 'agent', ...definition }
}

export interface MainContext extends ServiceContext {
  readonly access: import('./host/access.ts').AccessPolicy
  /** Who collects spans and metrics; absent where nobody does. */
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

export interface RunningMain extends Background {
  readonly app: { fetch(request: Request, env?: unknown): Response | Promise<Response> }
  upgrade?(
    request: import('node:http').IncomingMessage,
    socket: import('node:stream').Duplex,
    head: Buffer,
  ): void
  /** Why it is not ready yet, though it answers; undefined where it is. */
  unready?(): string | undefined
}

/** A main service: it has an interface of its own instead of tools. */
export interface MainDefinition<N extends PortName = PortName> {
  readonly kind: 'main'
  readonly id: string
  readonly needs: readonly N[]
  start(ports: Pick<Ports, N>, context: MainContext): Promise<RunningMain>
}

export function defineMain<const N extends PortName>(
  definition: Omit<MainDefinition<N>, 'kind'>,
): MainDefinition<N> {
  return { kind: 'main', ...definition }
}

export type AnyDefinition = ServiceDefinition | MainDefinition
