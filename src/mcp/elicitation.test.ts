import type { ServerContext } from '@modelcontextprotocol/server'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { elicit, entered, InputNeeded, openConversation, stateCodec } from './elicitation.ts'

const codec = stateCodec(Buffer.alloc(32, 1))
const question = (message: string) =>
  elicit({ message, requestedSchema: { type: 'object', properties: { name: { type: 'string' } } } })
const accepted = (name: string) => ({ action: 'accept', content: { name } })

interface Received {
  readonly requestState?: string | undefined
  readonly inputResponses?: Record<string, unknown>
  readonly _meta?: Record<string, unknown>
  readonly legacy?: true
}

/** The conversation of a request, and the notifications that it sent. */
async function open(received: Received = {}, change: object = {}) {
  const sent: unknown[] = []
  const context = {
    mcpReq: {
      ...received,
      envelope: received.legacy ? undefined : {},
      requestState: () => received.requestState,
      notify: async (message: unknown) => void sent.push(message),
      log: async (...message: unknown[]) => void sent.push(message),
    },
  } as unknown as ServerContext
  const call = { caller: 'ada', subject: 'erase', args: { what: 'a' }, nonce: 'nonce-1', ...change }
  return { sent, conversation: await openConversation({ context, codec, ...call }) }
}

/** The request state with which a first request asks for a name. */
async function asked(): Promise<string> {
  const { conversation } = await open()
  const error = await conversation.ask({ first: question('Name?') }).catch((thrown) => thrown)
  expect(error).toBeInstanceOf(InputNeeded)
  expect((error as InputNeeded).result).toMatchObject({
    inputRequests: { first: { method: 'elicitation/create' } },
  })
  return (error as InputNeeded).result.requestState as string
}

test('an answered question resolves; the state keeps answers for the next round', async () => {
  const requestState = await asked()
  const second = await open(
    { requestState, inputResponses: { first: accepted('Ada') } },
    { nonce: 'nonce-2' },
  )
  expect(second.conversation.stateNonce).toBe('nonce-1')
  expect(await second.conversation.ask({ first: question('Name?') })).toEqual({ first: accepted('Ada') })
  const error = await second.conversation.ask({ next: question('And?') }).catch((thrown) => thrown)
  const third = await open({
    requestState: (error as InputNeeded).result.requestState as string,
    inputResponses: { next: accepted('Grace') },
  })
  expect(third.conversation.stateNonce).toBe('nonce-2')
  expect(await third.conversation.ask({ first: question('Name?'), next: question('And?') })).toEqual({
    first: accepted('Ada'),
    next: accepted('Grace'),
  })
})

test.each([
  ['another caller', { caller: 'bob' }],
  ['another tool', { subject: 'write' }],
  ['other arguments', { args: { what: 'b' } }],
])('a state is refused for %s', async (_, change) => {
  const requestState = await asked()
  await expect(open({ requestState }, change)).rejects.toMatchObject({ code: -32602 })
})

test('a state that was altered or signed with another key is refused', async () => {
  const requestState = await asked()
  await expect(open({ requestState: `${requestState}x` })).rejects.toMatchObject({ code: -32602 })
  await expect(open({ requestState }, { codec: stateCodec(Buffer.alloc(32, 2)) })).rejects.toMatchObject({
    code: -32602,
  })
})

test('an answer of the wrong kind is no answer', async () => {
  const { conversation } = await open({ inputResponses: { first: { roots: [] } } })
  await expect(conversation.ask({ first: question('Name?') })).rejects.toBeInstanceOf(InputNeeded)
})

test('a 2025 client cannot be asked without a session', async () => {
  const { conversation } = await open({ legacy: true })
  await expect(conversation.ask({ first: question('Name?') })).rejects.toMatchObject({
    code: 'input-not-possible',
  })
})

test('progress is sent only to a client that passed a token', async () => {
  const silent = await open()
  silent.conversation.progress(1, 2, 'half')
  expect(silent.sent).toEqual([])
  const listening = await open({ _meta: { progressToken: 7 } })
  listening.conversation.progress(1, 2, 'half')
  expect(listening.sent).toEqual([
    {
      method: 'notifications/progress',
      params: { progressToken: 7, progress: 1, total: 2, message: 'half' },
    },
  ])
})

test.each([
  [accepted('Ada'), { name: 'Ada' }],
  [{ action: 'decline' }, 'declined'],
  [{ action: 'cancel' }, 'declined'],
  [{ action: 'accept', content: { name: 1 } }, undefined],
  [{ roots: [] }, undefined],
  [undefined, undefined],
])('the form %j was answered with %j', (answer, expected) => {
  expect(entered(answer, z.object({ name: z.string() }))).toEqual(expected)
})
