/**
 * What a call may say to its client while it runs, and ask of it. A question ends the call with `input_required`; the client calls again with
 * the answer, and the tool runs anew from its start: it asks before it changes anything. As a task the call waits for the answer instead.
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

export const TASKS_EXTENSION = 'io.modelcontextprotocol/tasks'
export type Question = InputRequest
/** By the names they were asked under: what the client said, not checked yet. */
export type Answers = Readonly<Record<string, unknown>>

export interface Conversation {
  /** What the client can do; empty for HTTP without MCP. */
  readonly client: ClientCapabilities
  progress(done: number, total?: number, message?: string): void
  /** For clients that listen to it. */
  log(level: LoggingLevel, data: unknown): Promise<void>
  /** The answers to all questions, once they are there. Throws `input-not-possible` where nobody can be asked. */
  ask(questions: Readonly<Record<string, Question>>): Promise<Answers>
  /**
   * From here on the call goes on as a task, for a client that knows tasks: it has its answer, and looks for the result later. Where it must
   * be one, a client that knows none is refused with the protocol's own error.
   */
  detach(must?: { must: true }): Promise<void>
}

/** For calls over plain HTTP: nobody listens. */
export const NOBODY: Conversation = {
  client: {},
  progress: () => undefined,
  log: async () => undefined,
  ask: () =>
    Promise.reject(
      new KintsugiError('input-not-possible', 'this call asks its caller something, which needs MCP', {
        hint: 'call it over MCP, through the gateway at /mcp',
      }),
    ),
  detach: async (must) => {
    if (must)
      throw new KintsugiError('input-not-possible', 'this call goes on as a task, which needs MCP', {
        hint: 'call it over MCP, with a client that knows tasks',
      })
  },
}

/** A question for a person, with a form. */
export const elicit = inputRequired.elicit
/** A question for the client's model. */
export const sample = inputRequired.createMessage
/** A question for the client's folders. */
export const listRoots = inputRequired.listRoots

/** What a person entered in a form: `declined` where they would not; undefined where it is not what was asked for. */
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

/** An error of the protocol itself, where a tool cannot even say that it failed. */
export const brokenDown = (message: string): ProtocolError =>
  new ProtocolError(ProtocolErrorCode.InternalError, message)

/** Ends a round. */
export class InputNeeded extends Error {
  readonly result: InputRequiredResult

  constructor(result: InputRequiredResult) {
    super('input is needed')
    this.result = result
  }
}

interface RoundState {
  /** Of whom, for what: a state is good for the same call alone. */
  readonly call: string
  readonly answers: Answers
  /** Each state is good for once. */
  readonly nonce: string
}

export type StateCodec = RequestStateCodec<RoundState>

export const stateCodec = (key: Uint8Array): StateCodec => createRequestStateCodec<RoundState>({ key })

export interface Round {
  readonly context: ServerContext
  readonly codec: StateCodec
  readonly caller: string
  readonly tool: string
  readonly given: unknown
  /** Of this round's state, should another follow. */
  readonly nonce: string
}

export interface Rounds extends Conversation {
  /** The state that this round came with, to be used up; undefined for a first round. */
  readonly cameWith: string | undefined
}

const isAnswer = (answer: unknown, { method }: Question): boolean => {
  const { kind } = inputResponse({ answer } as never, 'answer')
  return (
    kind ===
    (method === 'elicitation/create' ? 'elicit' : method === 'sampling/createMessage' ? 'sampling' : 'roots')
  )
}

/** The questions that were not answered yet. */
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

/** What the client says of itself that it can do. */
export const capabilitiesOf = ({ mcpReq }: ServerContext): ClientCapabilities =>
  ((mcpReq.envelope as Record<string, unknown> | undefined)?.[CLIENT_CAPABILITIES_META_KEY] ??
    {}) as ClientCapabilities

/** The conversation of one round. Throws the protocol's own error for a state that is not ours, not of this call, or too old. */
export async function roundOf({ context, codec, caller, tool, given, nonce }: Round): Promise<Rounds> {
  const { mcpReq } = context
  const modern = mcpReq.envelope !== undefined
  const call = createHash('sha256')
    .update(JSON.stringify([caller, tool, given]))
    .digest('hex')
  const echoed = mcpReq.requestState<string>()
  const state = echoed === undefined ? undefined : await codec.verify(echoed, context).catch(() => undefined)
  if (echoed !== undefined && state?.call !== call)
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      'Invalid params: requestState is not of this call, or too old',
    )
  const told: Answers = { ...mcpReq.inputResponses, ...state?.answers }
  const used: Record<string, unknown> = { ...state?.answers }
  const { progressToken } = (mcpReq._meta ?? {}) as { progressToken?: string | number }
  return {
    client: capabilitiesOf(context),
    cameWith: state?.nonce,
    progress(done, total, message) {
      if (progressToken === undefined) return
      void mcpReq.notify({
        method: 'notifications/progress',
        params: {
          progressToken,
          progress: done,
          ...(total === undefined ? {} : { total }),
          ...(message === undefined ? {} : { message }),
        },
      })
    },
    log: (level, data) => mcpReq.log(level, data, tool),
    async ask(questions) {
      const missing = unanswered(questions, told)
      for (const key of Object.keys(questions)) if (!Object.hasOwn(missing, key)) used[key] = told[key]
      if (Object.keys(missing).length === 0)
        return Object.fromEntries(Object.keys(questions).map((key) => [key, used[key]]))
      if (!modern)
        throw new KintsugiError(
          'input-not-possible',
          `${tool} asks its caller something, and a 2025 client without a session cannot be asked`,
          {
            hint: 'connect to the gateway at /mcp, which keeps a session for such clients',
          },
        )
      throw new InputNeeded(
        inputRequired({
          inputRequests: missing,
          requestState: await codec.mint({ call, answers: used, nonce }, context),
        }),
      )
    },
    detach: async (must) => {
      if (must)
        throw new MissingRequiredClientCapabilityError({
          requiredCapabilities: { extensions: { [TASKS_EXTENSION]: {} } },
        })
    },
  }
}
