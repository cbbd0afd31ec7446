/**
 * Tools of the reference server that answer by themselves: each kind of content, errors, progress, log
 * messages and schemas.
 */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { audio, embedded, image, text } from '../../../mcp/content.ts'
import type { Tool } from '../../../mcp/define.ts'
import { KintsugiError } from '../../../std/errors.ts'
import { constantTool, line, PNG, tool, WAV } from './fixtures.ts'

/** Delay between two messages of one call. */
const STEP_MS = 50

/** Every kind of content, each the same for every call. */
const constants: Record<string, Tool> = {
  test_simple_text: constantTool(
    'Returns a line of text, the same for every call.',
    text('This is a simple text response for testing.'),
  ),
  test_image_content: constantTool('Returns an image of one red pixel.', image(PNG, 'image/png')),
  test_audio_content: constantTool(
    'Returns a short sound: eight samples of silence.',
    audio(WAV, 'audio/wav'),
  ),
  test_embedded_resource: constantTool(
    'Returns a resource embedded in the answer.',
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ),
  test_multiple_content_types: constantTool(
    'Returns text, an image and a resource in one answer.',
    text('Multiple content types test:'),
    image(PNG, 'image/png'),
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ),
}

/** Errors, log messages and progress. */
const reports: Record<string, Tool> = {
  test_error_handling: tool({
    description: 'Fails on purpose, with an error of the tool.',
    effect: 'read',
    input: {},
    examples: [],
    refusals: [[{}, 'intended-failure']],
    run: () => {
      throw new KintsugiError('intended-failure', 'This tool intentionally returns an error for testing')
    },
  }),
  test_tool_with_logging: tool({
    description: 'Sends three log messages to the client while it runs.',
    effect: 'read',
    input: {},
    examples: [{}],
    run: async (_input, { log }) => {
      for (const message of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
        await log('info', message)
        await sleep(STEP_MS)
      }
      return line('Sent three log messages.')
    },
  }),
  test_logging_tool: tool({
    description: 'Sends one log message; only clients that requested log messages receive it.',
    effect: 'read',
    input: {},
    examples: [{}],
    run: async (_input, { log }) => {
      await log('info', 'A log message for clients that requested them')
      return line('Sent one log message.')
    },
  }),
  test_tool_with_progress: tool({
    description: 'Reports its progress in three steps.',
    effect: 'read',
    input: {},
    examples: [{}],
    run: async (_input, { progress }) => {
      for (const done of [0, 50, 100]) {
        progress(done, 100)
        await sleep(STEP_MS)
      }
      return line('Reported three steps.')
    },
  }),
}

/** A schema that uses the keywords of JSON Schema 2020-12. */
const SCHEMA_2020_12 = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  type: 'object',
  $defs: {
    address: {
      $anchor: 'addressDef',
      type: 'object',
      properties: { street: { type: 'string' }, city: { type: 'string' } },
    },
  },
  properties: {
    name: { type: 'string' },
    address: { $ref: '#/$defs/address' },
    contactMethod: { type: 'string', enum: ['phone', 'email'] },
    phone: { type: 'string' },
    email: { type: 'string' },
  },
  allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
  if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
  // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
  then: { required: ['phone'] },
  else: { required: ['email'] },
  additionalProperties: false,
}

/** Inputs: defaults, headers and schemas beyond zod. */
const inputs: Record<string, Tool> = {
  test_header_parameter: tool({
    description: 'Takes a parameter that clients also send as an HTTP header, so that proxies can read it.',
    effect: 'read',
    input: z.strictObject({ region: z.string().max(200) }),
    inputSchema: {
      type: 'object',
      properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
      required: ['region'],
      additionalProperties: false,
    },
    examples: [{ region: 'eu-central-1' }],
    run: ({ region }) => line(`Region: ${region}`),
  }),
  json_schema_2020_12_tool: tool({
    description: 'Publishes an input schema that uses the keywords of JSON Schema 2020-12.',
    effect: 'read',
    input: z.strictObject({
      name: z.string().optional(),
      address: z.object({ street: z.string().optional(), city: z.string().optional() }).optional(),
      contactMethod: z.enum(['phone', 'email']).optional(),
      phone: z.string().optional(),
      email: z.string().optional(),
    }),
    inputSchema: SCHEMA_2020_12,
    examples: [{ email: 'someone@example.org' }],
    run: (given) => line(`Received: ${JSON.stringify(given)}`),
  }),
  greet: tool({
    description: 'Greets by name, immediately: it never becomes a task.',
    effect: 'read',
    input: { name: z.string().max(200).default('World') },
    examples: [{ name: 'World' }],
    run: ({ name }) => line(`Hello, ${name}!`),
  }),
}

/** Tools that need no answer of their client. */
export const contentTools: Readonly<Record<string, Tool>> = { ...constants, ...reports, ...inputs }
