/**
 * The conversation of a call with its client: progress, log and questions (elicitation, sampling, roots). A
 * question ends the call with `input_required`; the client repeats the call with the answer, and the tool
 * runs again from its start, so a tool asks before it changes anything. A call that runs as a task waits for
 * the answer instead.
 */
import { createHash } from 'node:crypto'
import {
  CLIENT_CAPABILITIES_META_KEY,
  type ClientCapabilities,
  createRequestStateCodec,
  type InputRequest,
  type InputRequiredResult,
  inputRequired,
  inputResponse,
  type LoggingLevel,
  MissingRequiredClientCapabilityError,
  ProtocolError,
  ProtocolErrorCode,
  type RequestStateCodec,
  type ServerContext,
} from '@modelcontextprotocol/server'
import type { z } from 'zod'
import { KintsugiError } from '../std/errors.ts'

/** Identifier of the tasks extension of MCP. */
export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
/** A request to the client: a form, a sample of its model, or its roots. */
export type Question = InputRequest
/** Answers by the key of their question, as received: not validated. */
export type Answers = Readonly<Record<string, unknown>>

/** The channel between a call and its client. */
export interface Conversation {
  /** Capabilities of the client; empty for plain HTTP. */
  readonly client: ClientCapabilities
  /** Reports progress, if the client asked for it. */
  progress(done: number, total?: number, message?: string): void
  /** Sends a log message to the client. */
  log(level: LoggingLevel, data: unknown): Promise<void>
  /**
   * Resolves with the answers to all questions. Throws `input-not-possible` if the client cannot be asked.
   */
  ask(questions: Readonly<Record<string, Question>>): Promise<Answers>
  /**
   * Continues the call as a task if the client supports tasks: the client receives the task now and fetches
   * the result later. With `must`, a client without tasks is refused with a protocol error.
   */
  detach(must?: { must: true }): Promise<void>
}

/** The conversation of a call over plain HTTP: messages are dropped, and questions are refused. */
export const NO_CLIENT: Conversation = {
  client: {},
  progress: () => undefined,
  log: async () => undefined,
  ask: () =>
    Promise.reject(
      new KintsugiError('input-not-possible', 'this call asks its client for input, which requires MCP', {
        hint: 'call it over MCP, through the gateway at /mcp',
      }),
    ),
  detach: async (must) => {
    if (must)
      throw new KintsugiError('input-not-possible', 'this call continues as a task, which requires MCP', {
        hint: 'call it over MCP, with a client that supports tasks',
      })
  },
}

/** A question to the person at the client, with a form. */
export const elicit = inputRequired.elicit
/** A question to the client's model. */
export const sample = inputRequired.createMessage
/** A request for the client's root folders. */
export const listRoots = inputRequired.listRoots

/**
 * The content of an answered form: `declined` if the person declined or cancelled; undefined if it does not
 * match the schema.
 */
export function entered<S extends z.ZodObject>(
  answer: unknown,
  schema: S,
): z.output<S> | 'declined' | undefined {
  const view = inputResponse({ answer } as never, 'answer')
  if (view.kind !== 'elicit') return undefined
  if (view.action !== 'accept') return 'declined'
  const parsed = schema.safeParse(view.content)
  return parsed.success ? parsed.data : undefined
}

/** A JSON-RPC internal error, for failures that are not tool errors. */
export const internalError = (message: string): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InternalError, message)

/** Ends a call with a question to its client. */
export class InputNeeded extends Error {
  readonly result: InputRequiredResult

  constructor(result: InputRequiredResult) {
    super('input is needed')
    this.result = result
  }
}

interface RequestState {
  /** SHA-256 of caller, subject and arguments: a state resumes the same call only. */
  readonly call: string
  readonly answers: Answers
  /** A state is single-use. */
  readonly nonce: string
}

/** Signs and verifies request states. */
export type StateCodec = RequestStateCodec<RequestState>

/** A codec for request states. `key`: 32 bytes, equal in all processes that resume each other's calls. */
export const stateCodec = (key: Uint8Array): StateCodec => createRequestStateCodec<RequestState>({ key })

/** The request whose conversation is opened. */
export interface ConversationOptions {
  readonly context: ServerContext
  readonly codec: StateCodec
  readonly caller: string
  /** Name of the tool, or `prompt NAME`. */
  readonly subject: string
  readonly args: unknown
  /** Nonce of the request state, if the call asks a question. */
  readonly nonce: string
}

/** The conversation of one MCP request. */
export interface OpenedConversation extends Conversation {
  /**
   * Nonce of the request state that the client echoed; the call must consume it. Undefined for a first
   * request.
   */
  readonly stateNonce: string | undefined
}

const isAnswer = (answer: unknown, { method }: Question): boolean => {
  const { kind } = inputResponse({ answer } as never, 'answer')
  return (
    kind ===
    (method === 'elicitation/create' ? 'elicit' : method === 'sampling/createMessage' ? 'sampling' : 'roots')
  )
}

/** The questions without a valid answer. */
export function unanswered(
  questions: Readonly<Record<string, Question>>,
  answers: Answers,
): Record<string, Question> {
  return Object.fromEntries(
    Object.entries(questions).filter(
      ([key, question]) => !Object.hasOwn(answers, key) || !isAnswer(answers[key], question),
    ),
  )
}

/** The capabilities that the client declares in the request. */
export const capabilitiesOf = ({ mcpReq }: ServerContext): ClientCapabilities =>
  ((mcpReq.envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] ??
    {}) as ClientCapabilities

/**
 * Opens the conversation of a request. Throws a protocol error for a request state that is invalid, expired
 * or of another call.
 */
export async function openConversation(options: ConversationOptions): Promise<OpenedConversation> {
  const { context, codec, caller, subject, args, nonce } = options
  const { mcpReq } = context
  const call = createHash('sha256')
    .update(JSON.stringify([caller, subject, args]))
    .digest('hex')
  const state = await echoedState(context, codec, call)
  const received: Answers = { ...mcpReq.inputResponses, ...state?.answers }
  const used: Record<string, unknown> = { ...state?.answers }
  return {
    client: capabilitiesOf(context),
    stateNonce: state?.nonce,
    progress: progressOf(context),
    log: (level, data) => mcpReq.log(level, data, subject),
    async ask(questions) {
      const missing = unanswered(questions, received)
      for (const key of Object.keys(questions)) if (!Object.hasOwn(missing, key)) used[key] = received[key]
      if (Object.keys(missing).length === 0)
        return Object.fromEntries(Object.keys(questions).map((key) => [key, used[key]]))
      // Clients of 2025 know no input_required; only a session could carry the question.
      if (mcpReq.envelope === undefined)
        throw new KintsugiError(
          'input-not-possible',
          `${subject} asks its client for input, which a 2025 client without a session cannot give`,
          { hint: 'connect to the gateway at /mcp, which keeps sessions for such clients' },
        )
      const requestState = await codec.mint({ call, answers: used, nonce }, context)
      throw new InputNeeded(inputRequired({ inputRequests: missing, requestState }))
    },
    detach: async (must) => {
      if (must)
        throw new MissingRequiredClientCapabilityError({
          requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
        })
    },
  }
}

async function echoedState(
  context: ServerContext,
  codec: StateCodec,
  call: string,
): Promise<RequestState | undefined> {
  const echoed = context.mcpReq.requestState<string>()
  if (echoed === undefined) return undefined
  const state = await codec.verify(echoed, context).catch(() => undefined)
  if (state?.call === call) return state
  throw new ProtocolError(
    ProtocolErrorCode.InvalidParams,
    'Invalid params: requestState: expected the state of this call, not expired',
  )
}

function progressOf({ mcpReq }: ServerContext): Conversation['progress'] {
  const { progressToken } = (mcpReq._meta ?? {}) as { progressToken?: string | number }
  if (progressToken === undefined) return () => undefined
  return (progress, total, message) =>
    void mcpReq.notify({
      method: 'notifications/progress',
      params: {
        progressToken,
        progress,
        ...(total === undefined ? {} : { total }),
        ...(message === undefined ? {} : { message }),
      },
    })
}
