/** The reference of the protocol surface: everything that the kit offers, each once, under the names that the conformance suites expect. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import { audio, embedded, image, ToolContent, text } from '../../mcp/content.ts'
import { defineServer, type Prompt, toolbox } from '../../mcp/define.ts'
import {
  type Answers,
  type Conversation,
  elicit,
  entered,
  internalError,
  listRoots,
  type Question,
  sample,
} from '../../mcp/elicitation.ts'
import { KintsugiError } from '../../std/errors.ts'

const offer = toolbox<never>().content
const nothing = {}
const said = (line: string) => new ToolContent([text(line)])

/** A red pixel, and eight samples of silence. */
const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=='
const WAV = 'UklGRjQAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YRAAAAAAAAAAAAAAAAAAAAAAAAAA'

const STEP_MS = 50
const NAME = z.object({ name: z.string() })
const CONFIRMED = z.object({ confirm: z.boolean() })

const form = (
  message: string,
  properties: Record<string, unknown>,
  required = Object.keys(properties),
): Question => elicit({ message, requestedSchema: { type: 'object', properties, required } as never })
const nameForm = (message = 'What is your name?') => form(message, { name: { type: 'string' } })
const model = (question: string, maxTokens = 100) =>
  sample({ messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens })

/** `action=accept, content={...}`, as a person's answer is said. */
const elicited = (answer: unknown): string => {
  const { action, content } = answer as { action: string; content?: unknown }
  return `action=${action}, content=${JSON.stringify(content ?? {})}`
}
const sampled = (answer: unknown): string => {
  const { content } = answer as { content: { text?: string } | { text?: string }[] }
  return (Array.isArray(content) ? content : [content]).map((block) => block.text ?? '').join(' ')
}
const roots = (answer: unknown): string =>
  (answer as { roots: { uri: string }[] }).roots.map(({ uri }) => uri).join(', ') || 'none'

/** Asks for what the client can do, and says what came. */
const asking = (
  description: string,
  questions: Readonly<Record<string, Question>>,
  tell: (answers: Answers) => string,
) =>
  offer({
    description,
    effect: 'read',
    input: nothing,
    examples: [{}],
    run: async (_input, { ask }) => said(tell(await ask(questions))),
  })

const fixed = (description: string, content: ToolContent) =>
  offer({ description, effect: 'read', input: nothing, examples: [{}], run: () => content })

const personName = (answers: Answers, key = 'user_name'): string => {
  const answer = entered(answers[key], NAME)
  return answer === undefined || answer === 'declined' ? 'whoever you are' : answer.name
}

const prompt = (
  description: string,
  render: Prompt<never>['render'],
  args: Prompt<never>['arguments'] = [],
): Prompt<never> => ({
  title: description.split(':')[0] as string,
  description,
  arguments: args,
  render,
})

/** What a task does while it waits: a step at a time, until it is cancelled. */
async function work(
  seconds: number,
  { progress, signal }: Pick<Conversation, 'progress'> & { signal: AbortSignal },
): Promise<void> {
  for (let done = 0; done < seconds * 10; done++) {
    await sleep(100, undefined, { signal })
    progress(done + 1, seconds * 10)
  }
}

const CHOICES = ['option1', 'option2', 'option3']
const titled = (ordinal: string[]) => ordinal.map((title, index) => ({ const: `value${index + 1}`, title }))

export default defineServer({
  id: 'mcp_server_base',
  needs: [],
  tools: () => ({
    test_simple_text: fixed(
      'Says a line of text, always the same.',
      said('This is a simple text response for testing.'),
    ),
    test_image_content: fixed('Shows an image of one red pixel.', new ToolContent([image(PNG, 'image/png')])),
    test_audio_content: fixed(
      'Plays a moment of silence, as sound.',
      new ToolContent([audio(WAV, 'audio/wav')]),
    ),
    test_embedded_resource: fixed(
      'Hands out a resource within its answer.',
      new ToolContent([
        embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
      ]),
    ),
    test_multiple_content_types: fixed(
      'Answers with text, an image and a resource at once.',
      new ToolContent([
        text('Multiple content types test:'),
        image(PNG, 'image/png'),
        embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
      ]),
    ),
    test_error_handling: offer({
      description: 'Fails, on purpose, and says so the way tools do.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: () => {
        throw new KintsugiError('intended-failure', 'This tool intentionally returns an error for testing')
      },
    }),
    test_tool_with_logging: offer({
      description: 'Tells its client what it does, in three messages, while it runs.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { log }) => {
        for (const line of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
          await log('info', line)
          await sleep(STEP_MS)
        }
        return said('Three messages were sent.')
      },
    }),
    test_logging_tool: offer({
      description: 'Sends one message to clients that asked for messages, and none to others.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { log }) => {
        await log('info', 'A message for those who listen')
        return said('Logged.')
      },
    }),
    test_tool_with_progress: offer({
      description: 'Tells how far it is, in three steps.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { progress }) => {
        for (const done of [0, 50, 100]) {
          progress(done, 100)
          await sleep(STEP_MS)
        }
        return said('Three steps were reported.')
      },
    }),
    test_sampling: offer({
      description: "Asks the client's model something, and says what it answered.",
      effect: 'read',
      input: { prompt: z.string().min(1).max(10_000) },
      examples: [{ prompt: 'What is the capital of France?' }],
      run: async ({ prompt: question }, { ask }) =>
        said(`LLM response: ${sampled((await ask({ answer: model(question) })).answer)}`),
    }),
    test_elicitation: offer({
      description: 'Asks the person at the client to fill in a form, and says what was entered.',
      effect: 'read',
      input: { message: z.string().min(1).max(10_000) },
      examples: [{ message: 'Who are you?' }],
      run: async ({ message }, { ask }) => {
        const properties = {
          username: { type: 'string', description: "User's response" },
          email: { type: 'string', description: "User's email address" },
        }
        return said(`User response: ${elicited((await ask({ answer: form(message, properties) })).answer)}`)
      },
    }),
    test_elicitation_sep1034_defaults: asking(
      'Asks with a form whose fields have defaults.',
      {
        answer: form(
          'Please look through these values',
          {
            name: { type: 'string', default: 'John Doe' },
            age: { type: 'integer', default: 30 },
            score: { type: 'number', default: 95.5 },
            status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
            verified: { type: 'boolean', default: true },
          },
          [],
        ),
      },
      ({ answer }) => `Elicitation completed: ${elicited(answer)}`,
    ),
    test_elicitation_sep1330_enums: asking(
      'Asks with a form of every kind of choice that there is.',
      {
        answer: form(
          'Please choose',
          {
            untitledSingle: { type: 'string', enum: CHOICES },
            titledSingle: {
              type: 'string',
              oneOf: titled(['First Option', 'Second Option', 'Third Option']),
            },
            legacyEnum: {
              type: 'string',
              enum: ['opt1', 'opt2', 'opt3'],
              enumNames: ['Option One', 'Option Two', 'Option Three'],
            },
            untitledMulti: { type: 'array', items: { type: 'string', enum: CHOICES } },
            titledMulti: {
              type: 'array',
              items: { anyOf: titled(['First Choice', 'Second Choice', 'Third Choice']) },
            },
          },
          [],
        ),
      },
      ({ answer }) => `Elicitation completed: ${elicited(answer)}`,
    ),
    test_streaming_elicitation: offer({
      description: 'Tells how far it is, and then asks the person at the client something.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { ask, progress }) => {
        progress(50, 100)
        return said(
          `Confirmed: ${elicited((await ask({ confirm: form('Go on?', { confirm: { type: 'boolean' } }) })).confirm)}`,
        )
      },
    }),
    test_missing_capability: asking(
      'Needs a client that has a model to ask.',
      { answer: model('Are you there?') },
      ({ answer }) => sampled(answer),
    ),
    test_input_required_result_elicitation: asking(
      'Asks for a name before it greets.',
      { user_name: nameForm() },
      (answers) => `Hello, ${personName(answers)}!`,
    ),
    test_input_required_result_sampling: asking(
      "Asks the client's model for a capital.",
      { capital_question: model('What is the capital of France?') },
      ({ capital_question }) => `The model says: ${sampled(capital_question)}`,
    ),
    test_input_required_result_list_roots: asking(
      'Asks for the folders that the client works in.',
      { client_roots: listRoots() },
      (answers) => `Roots: ${roots(answers.client_roots)}`,
    ),
    test_input_required_result_request_state: asking(
      'Asks for a confirmation, and knows that the answer belongs to the question.',
      { confirm: form('Please confirm', { ok: { type: 'boolean' } }) },
      ({ confirm }) => `state-ok: ${elicited(confirm)}`,
    ),
    test_input_required_result_tampered_state: asking(
      'Asks for a confirmation, and refuses a state that is not its own.',
      { confirm: form('Please confirm', { ok: { type: 'boolean' } }) },
      ({ confirm }) => `state-ok: ${elicited(confirm)}`,
    ),
    test_input_required_result_multiple_inputs: asking(
      'Asks the person, the model and for the folders, all at once.',
      { user_name: nameForm(), greeting: model('Generate a greeting', 50), client_roots: listRoots() },
      (answers) =>
        `${sampled(answers.greeting)}, ${personName(answers)}; roots: ${roots(answers.client_roots)}`,
    ),
    test_input_required_result_multi_round: offer({
      description: 'Asks for a name, and then, knowing it, for a colour.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { ask }) => {
        const name = personName(await ask({ step1: nameForm('Step 1: What is your name?') }), 'step1')
        const { step2 } = await ask({
          step2: form('Step 2: What is your favorite color?', { color: { type: 'string' } }),
        })
        return said(`${name} answered: ${elicited(step2)}`)
      },
    }),
    test_input_required_result_capabilities: offer({
      description: 'Asks only for what the client says that it can do.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { ask, client }) => {
        const answers = await ask({
          ...(client.sampling ? { greeting: model('Generate a greeting', 50) } : {}),
          ...(client.elicitation ? { user_name: nameForm() } : {}),
          ...(client.roots ? { client_roots: listRoots() } : {}),
        })
        return said(`Asked for: ${Object.keys(answers).join(', ') || 'nothing'}`)
      },
    }),
    test_header_parameter: offer({
      description: 'Takes a parameter that clients repeat in a header, for proxies to see.',
      effect: 'read',
      input: z.strictObject({ region: z.string().max(200) }),
      inputSchema: {
        type: 'object',
        properties: { region: { type: 'string', 'x-mcp-header': 'Region' } },
        required: ['region'],
        additionalProperties: false,
      },
      examples: [{ region: 'eu-central-1' }],
      run: ({ region }) => said(`Region: ${region}`),
    }),
    json_schema_2020_12_tool: offer({
      description: 'Has a schema with all that JSON Schema 2020-12 brought.',
      effect: 'read',
      input: z.strictObject({
        name: z.string().optional(),
        address: z.object({ street: z.string().optional(), city: z.string().optional() }).optional(),
        contactMethod: z.enum(['phone', 'email']).optional(),
        phone: z.string().optional(),
        email: z.string().optional(),
      }),
      inputSchema: {
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
        // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema
        then: { required: ['phone'] },
        else: { required: ['email'] },
        additionalProperties: false,
      },
      examples: [{ email: 'someone@example.org' }],
      run: (given) => said(`Given: ${JSON.stringify(given)}`),
    }),
    greet: offer({
      description: 'Greets by name, at once: never a task.',
      effect: 'read',
      input: { name: z.string().max(200).default('World') },
      examples: [{ name: 'World' }],
      run: ({ name }) => said(`Hello, ${name}!`),
    }),
    slow_compute: offer({
      description: 'Takes as long as it is told, as a task where the client knows tasks.',
      effect: 'read',
      input: {
        seconds: z.number().min(0).max(60).default(1),
        label: z.string().max(200).default('work'),
      },
      examples: [{ seconds: 0 }],
      run: async ({ seconds, label }, context) => {
        if (seconds > 0) await context.detach()
        await work(seconds, context)
        return said(`${label}: done after ${seconds} s`)
      },
    }),
    failing_job: offer({
      description: 'Fails after a second, as a task: it ran, and says that it failed.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, context) => {
        await context.detach({ must: true })
        await work(1, context)
        throw new KintsugiError('intended-failure', 'This job intentionally fails')
      },
    }),
    protocol_error_job: offer({
      description: 'Breaks down as a task, with an error of the protocol instead of the tool.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, context) => {
        await context.detach({ must: true })
        await work(0.2, context)
        throw internalError('This job intentionally breaks down')
      },
    }),
    confirm_delete: offer({
      description: 'Asks for a confirmation as a task, and waits for it; deletes nothing.',
      effect: 'read',
      input: { filename: z.string().max(200).default('example.txt') },
      examples: [{ filename: 'example.txt' }],
      run: async ({ filename }, { ask, detach }) => {
        await detach()
        const { confirm } = await ask({
          confirm: form(`Delete ${filename}?`, { confirm: { type: 'boolean' } }),
        })
        const answer = entered(confirm, CONFIRMED)
        return said(
          answer !== undefined && answer !== 'declined' && answer.confirm
            ? `${filename} would be deleted`
            : `${filename} stays`,
        )
      },
    }),
    multi_input: offer({
      description: 'Asks two things at once as a task, and waits for both.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, { ask, detach }) => {
        await detach()
        const answers = await ask({
          first: nameForm('First: what is your name?'),
          second: nameForm('Second: and the name of your friend?'),
        })
        return said(`${personName(answers, 'first')} and ${personName(answers, 'second')}`)
      },
    }),
    test_tool_with_task: offer({
      description: 'Asks for a name first, and goes on as a task when it knows it.',
      effect: 'read',
      input: nothing,
      examples: [{}],
      run: async (_input, context) => {
        const name = personName(await context.ask({ user_name: nameForm() }))
        await context.detach()
        await work(0.2, context)
        return said(`Done for ${name}.`)
      },
    }),
  }),
  resources: {
    'test://static-text': {
      title: 'static text',
      description: 'A text that is always the same.',
      mimeType: 'text/plain',
      read: () => 'This is the content of the static text resource.',
    },
    'test://static-binary': {
      title: 'static binary',
      description: 'An image of one red pixel.',
      mimeType: 'image/png',
      read: () => Buffer.from(PNG, 'base64'),
    },
    'test://watched-resource': {
      title: 'watched resource',
      description: 'The second that it is, told to those who subscribe.',
      read: ({ now }) => ({ second: Math.floor(now() / 1_000) }),
      watch: (_ports, onChange) => {
        const timer = setInterval(onChange, 1_000)
        return () => clearInterval(timer)
      },
    },
  },
  templates: {
    'test://template/{id}/data': {
      title: 'template data',
      description: 'Data made for the id in its address.',
      read: ({ id }) => ({ id, templateTest: true, data: `Data for ID: ${id}` }),
    },
  },
  prompts: {
    test_simple_prompt: prompt(
      'A prompt without arguments: it says a line.',
      () => 'This is a simple prompt for testing.',
    ),
    test_prompt_with_arguments: prompt(
      'A prompt with two arguments: it says both.',
      ({ arg1, arg2 }) => `Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`,
      [
        {
          name: 'arg1',
          description: 'First test argument',
          required: true,
          complete: (_ports, beginning) =>
            ['paris', 'park', 'party', 'test'].filter((word) => word.startsWith(beginning)),
        },
        { name: 'arg2', description: 'Second test argument', required: true },
      ],
    ),
    test_prompt_with_embedded_resource: prompt(
      'A prompt with a resource: the one that is named.',
      ({ resourceUri }) => [
        {
          role: 'user',
          content: embedded(resourceUri as string, 'text/plain', 'Embedded resource content for testing.'),
        },
        { role: 'user', content: text('Please process the embedded resource above.') },
      ],
      [{ name: 'resourceUri', description: 'URI of the resource to embed', required: true }],
    ),
    test_prompt_with_image: prompt('A prompt with an image: one red pixel.', () => [
      { role: 'user', content: image(PNG, 'image/png') },
      { role: 'user', content: text('Please analyze the image above.') },
    ]),
    test_input_required_result_prompt: prompt(
      'A prompt that asks first: for the context to use.',
      async (_given, { ask }) => {
        const { user_context } = await ask({
          user_context: form('What context should the prompt use?', { context: { type: 'string' } }),
        })
        const answer = entered(user_context, z.object({ context: z.string() }))
        return `Use this context: ${answer === undefined || answer === 'declined' ? 'none' : answer.context}`
      },
    ),
  },
  dynamic: (_ports, onChange) => {
    const shown = { tool: false, prompt: false }
    /** It changes nothing but what this process lists. */
    const toggle = (what: keyof typeof shown) =>
      offer({
        description: `Makes a ${what} come, or go, so that clients see the list change.`,
        effect: 'read',
        input: nothing,
        examples: [{}],
        run: () => {
          shown[what] = !shown[what]
          onChange()
          return said(shown[what] ? `There is a further ${what} now.` : `The further ${what} is gone.`)
        },
      })
    const triggers = {
      test_trigger_tool_change: toggle('tool'),
      test_trigger_prompt_change: toggle('prompt'),
    }
    const further = fixed('Is there since somebody made it come.', said('I came while you were looking.'))
    const furtherPrompt = prompt(
      'A further prompt: it came while you were looking.',
      () => 'I came while you were looking.',
    )
    return {
      get tools() {
        return { ...triggers, ...(shown.tool ? { test_further_tool: further } : {}) }
      },
      get prompts(): Record<string, Prompt<never>> {
        return shown.prompt ? { test_further_prompt: furtherPrompt } : {}
      },
    }
  },
})
