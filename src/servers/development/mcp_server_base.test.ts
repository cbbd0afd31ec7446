import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Harness, harness } from '../../../test/support/harness.ts'
import { connectInMemory } from '../../../test/support/mcp-client.ts'
import { accepted, declined, sampled, scriptedClient } from '../../../test/support/scripted-client.ts'
import server from './mcp_server_base.ts'

let h: Harness
beforeAll(async () => {
  h = await harness(server)
})
afterAll(() => h.stop())

/** The blocks of an answer. */
const blocks = async (tool: string, args?: Record<string, unknown>, client = scriptedClient()) =>
  (await h.content(tool, args, { conversation: client.conversation })).blocks
/** The only line of an answer. */
const text = async (tool: string, args?: Record<string, unknown>, client = scriptedClient()) => {
  const [block, ...others] = await blocks(tool, args, client)
  expect(others).toEqual([])
  return block?.type === 'text' ? block.text : undefined
}
const bytesOf = (block: unknown) => Buffer.from((block as { data: string }).data, 'base64')

describe('content', () => {
  test('test_simple_text: the text that the conformance suite expects', async () => {
    expect(await text('test_simple_text')).toBe('This is a simple text response for testing.')
  })

  test('test_image_content: a PNG of one pixel', async () => {
    const [image] = await blocks('test_image_content')
    expect(image).toMatchObject({ type: 'image', mimeType: 'image/png' })
    const png = bytesOf(image)
    expect([png.toString('latin1', 1, 4), png.readUInt32BE(16), png.readUInt32BE(20)]).toEqual(['PNG', 1, 1])
  })

  test('test_audio_content: a WAV whose header matches its length', async () => {
    const [audio] = await blocks('test_audio_content')
    expect(audio).toMatchObject({ type: 'audio', mimeType: 'audio/wav' })
    const wav = bytesOf(audio)
    expect([wav.toString('latin1', 0, 4), wav.toString('latin1', 8, 12)]).toEqual(['RIFF', 'WAVE'])
  })

  test('test_embedded_resource and test_multiple_content_types: resources within the answer', async () => {
    expect(await blocks('test_embedded_resource')).toEqual([
      {
        type: 'resource',
        resource: {
          uri: 'test://embedded-resource',
          mimeType: 'text/plain',
          text: 'This is an embedded resource content.',
        },
      },
    ])
    const [first, second, third] = await blocks('test_multiple_content_types')
    expect([first, second?.type]).toEqual([{ type: 'text', text: 'Multiple content types test:' }, 'image'])
    expect(third).toMatchObject({
      resource: { uri: 'test://mixed-content-resource', mimeType: 'application/json' },
    })
    expect(JSON.parse((third as { resource: { text: string } }).resource.text)).toEqual({
      test: 'data',
      value: 123,
    })
  })

  test('test_error_handling: fails with the message that the conformance suite expects', async () => {
    expect(await h.refusal('test_error_handling')).toMatchObject({
      code: 'intended-failure',
      message: 'This tool intentionally returns an error for testing',
    })
  })

  test('log messages and progress reach the client', async () => {
    const client = scriptedClient()
    await text('test_tool_with_logging', {}, client)
    expect(client.logs).toEqual([
      ['info', 'Tool execution started'],
      ['info', 'Tool processing data'],
      ['info', 'Tool execution completed'],
    ])
    await text('test_logging_tool', {}, client)
    expect(client.logs).toHaveLength(4)
    await text('test_tool_with_progress', {}, client)
    expect(client.progress).toEqual([
      [0, 100],
      [50, 100],
      [100, 100],
    ])
  })

  test('inputs: a header parameter, JSON Schema 2020-12, a default', async () => {
    for (const region of ['eu-central-1', 'us-east-1'])
      expect(await text('test_header_parameter', { region })).toBe(`Region: ${region}`)
    for (const given of [{ email: 'a@example.org' }, { phone: '1', contactMethod: 'phone' }])
      expect(
        JSON.parse((await text('json_schema_2020_12_tool', given))?.split('Received: ')[1] ?? ''),
      ).toEqual(given)
    expect([await text('greet'), await text('greet', { name: 'Ada' })]).toEqual([
      'Hello, World!',
      'Hello, Ada!',
    ])
  })
})

describe('input from the client', () => {
  test('the question reaches the client, and its answer the result', async () => {
    const model = scriptedClient({ answer: sampled('Paris') })
    expect(await text('test_sampling', { prompt: 'Capital?' }, model)).toBe('LLM response: Paris')
    expect(model.questions[0]?.answer).toMatchObject({
      method: 'sampling/createMessage',
      params: { messages: [{ content: { text: 'Capital?' } }], maxTokens: 100 },
    })
    const lyon = scriptedClient({ answer: sampled('Lyon') })
    expect(await text('test_sampling', { prompt: 'Another?' }, lyon)).toBe('LLM response: Lyon')
    const person = scriptedClient({ answer: accepted({ username: 'ada' }) })
    expect(await text('test_elicitation', { message: 'Who?' }, person)).toBe(
      'User response: action=accept, content={"username":"ada"}',
    )
    expect(person.questions[0]?.answer).toMatchObject({
      params: { message: 'Who?', requestedSchema: { required: ['username', 'email'] } },
    })
    const nobody = scriptedClient({ answer: declined })
    expect(await text('test_elicitation', { message: 'Who?' }, nobody)).toBe(
      'User response: action=decline, content={}',
    )
  })

  test.each([
    ['test_elicitation_sep1034_defaults', 'answer', 'Elicitation completed: '],
    ['test_elicitation_sep1330_enums', 'answer', 'Elicitation completed: '],
    ['test_streaming_elicitation', 'confirm', 'Confirmed: '],
    ['test_input_required_result_request_state', 'confirm', 'state-ok: '],
    ['test_input_required_result_tampered_state', 'confirm', 'state-ok: '],
  ])('%s: accepted and declined forms differ', async (tool, key, prefix) => {
    const accepting = scriptedClient({ [key]: accepted({ x: 1 }) })
    expect(await text(tool, {}, accepting)).toBe(`${prefix}action=accept, content={"x":1}`)
    expect(await text(tool, {}, scriptedClient({ [key]: declined }))).toBe(
      `${prefix}action=decline, content={}`,
    )
    expect(accepting.progress).toEqual(tool === 'test_streaming_elicitation' ? [[50, 100]] : [])
  })

  test('forms have defaults and every kind of choice', async () => {
    const propertiesOf = async (tool: string) => {
      const client = scriptedClient({ answer: declined })
      await text(tool, {}, client)
      const answer = client.questions[0]?.answer as { params: { requestedSchema: { properties: object } } }
      return answer.params.requestedSchema.properties
    }
    expect(await propertiesOf('test_elicitation_sep1034_defaults')).toMatchObject({
      name: { default: 'John Doe' },
      age: { default: 30 },
      score: { default: 95.5 },
      status: { default: 'active' },
      verified: { default: true },
    })
    expect(await propertiesOf('test_elicitation_sep1330_enums')).toMatchObject({
      titledSingle: { oneOf: [{ const: 'value1', title: 'First Option' }, {}, { const: 'value3' }] },
      legacyEnum: { enumNames: ['Option One', 'Option Two', 'Option Three'] },
      untitledMulti: { items: { enum: ['option1', 'option2', 'option3'] } },
    })
  })

  test.each([
    ['test_missing_capability', 'answer', sampled('Yes'), sampled('No'), ['Yes', 'No']],
    [
      'test_input_required_result_sampling',
      'capital_question',
      sampled('Paris'),
      sampled('Rome'),
      ['The model answered: Paris', 'The model answered: Rome'],
    ],
    [
      'test_input_required_result_list_roots',
      'client_roots',
      { roots: [{ uri: 'file:///a' }, { uri: 'file:///b' }] },
      { roots: [] },
      ['Roots: file:///a, file:///b', 'Roots: none'],
    ],
    [
      'test_input_required_result_elicitation',
      'user_name',
      accepted({ name: 'Ada' }),
      declined,
      ['Hello, Ada!', 'Hello, stranger!'],
    ],
  ])('%s: returns the answer', async (tool, key, one, other, expected) => {
    expect([
      await text(tool, {}, scriptedClient({ [key]: one })),
      await text(tool, {}, scriptedClient({ [key]: other })),
    ]).toEqual(expected)
  })

  test('several inputs at the same time, and in rounds', async () => {
    for (const name of ['Ada', 'Grace']) {
      const client = scriptedClient({
        user_name: accepted({ name }),
        greeting: sampled('Good day'),
        client_roots: { roots: [] },
        step1: accepted({ name }),
        step2: accepted({ color: 'green' }),
      })
      expect(await text('test_input_required_result_multiple_inputs', {}, client)).toBe(
        `Good day, ${name}; roots: none`,
      )
      expect(client.questions).toHaveLength(1)
      expect(await text('test_input_required_result_multi_round', {}, client)).toBe(
        `${name} answered: action=accept, content={"color":"green"}`,
      )
      expect(client.questions.slice(1).map((each) => Object.keys(each))).toEqual([['step1'], ['step2']])
    }
  })

  test('test_input_required_result_capabilities: requests only what the client can answer', async () => {
    const answers = { greeting: sampled('Hi'), user_name: declined, client_roots: { roots: [] } }
    const requested = (capabilities: object) =>
      text('test_input_required_result_capabilities', {}, scriptedClient(answers, capabilities))
    expect(await requested({ sampling: {} })).toBe('Requested: greeting')
    expect(await requested({ elicitation: {}, roots: {} })).toBe('Requested: user_name, client_roots')
    expect(await requested({})).toBe('Requested: nothing')
  })
})

describe('tasks', () => {
  test('slow_compute: detaches unless it is immediate, and reports ten steps per second', async () => {
    const client = scriptedClient()
    expect(await text('slow_compute', { seconds: 0 }, client)).toBe('work: done after 0 s')
    expect([client.detached, client.progress]).toEqual([0, []])
    expect(await text('slow_compute', { seconds: 0.2, label: 'sum' }, client)).toBe('sum: done after 0.2 s')
    expect([client.detached, client.progress]).toEqual([
      1,
      [
        [1, 2],
        [2, 2],
      ],
    ])
    const cancelled = { ...client, signal: AbortSignal.timeout(50) }
    expect((await h.refusal('slow_compute', { seconds: 5 }, cancelled)).code).toBe('cancelled')
  })

  test('failing_job and protocol_error_job: fail in their own ways, as tasks', async () => {
    const { conversation } = scriptedClient()
    expect(await h.refusal('failing_job', {}, { conversation })).toMatchObject({
      code: 'intended-failure',
      message: 'This job intentionally fails',
    })
    const protocol = await h.hosted
      .call('protocol_error_job', {}, { name: 'spec', scopes: [] }, { conversation })
      .catch((error) => error)
    expect(protocol).toMatchObject({ code: -32_603 })
    for (const tool of ['failing_job', 'protocol_error_job'])
      expect((await h.refusal(tool)).code).toBe('input-not-possible')
  })

  test('confirm_delete: only a confirmation deletes', async () => {
    const outcome = (confirm: unknown, filename: string) =>
      text('confirm_delete', { filename }, scriptedClient({ confirm }))
    expect(await outcome(accepted({ confirm: true }), 'a.txt')).toBe('a.txt would be deleted')
    for (const answer of [accepted({ confirm: false }), accepted({ other: 1 }), declined])
      expect(await outcome(answer, 'b.txt')).toBe('b.txt is kept')
  })

  test('multi_input and test_tool_with_task: input before and within a task', async () => {
    for (const name of ['Ada', 'Grace']) {
      const client = scriptedClient({
        first: accepted({ name }),
        second: declined,
        user_name: accepted({ name }),
      })
      expect(await text('multi_input', {}, client)).toBe(`${name} and stranger`)
      expect(await text('test_tool_with_task', {}, client)).toBe(`Done for ${name}.`)
      expect([client.detached, client.progress.length]).toEqual([2, 2])
    }
  })
})

test('prompts, resources and completion over MCP', async () => {
  const client = await connectInMemory(h.hosted)
  const messages = async (name: string, args: Record<string, string> = {}) =>
    (await client.getPrompt({ name, arguments: args })).messages.map(({ content }) => content)
  expect(await messages('test_simple_prompt')).toEqual([
    { type: 'text', text: 'This is a simple prompt for testing.' },
  ])
  expect(await messages('test_prompt_with_arguments', { arg1: 'x', arg2: 'y' })).toMatchObject([
    { text: "Prompt with arguments: arg1='x', arg2='y'" },
  ])
  expect(await messages('test_prompt_with_embedded_resource', { resourceUri: 'test://x' })).toMatchObject([
    { resource: { uri: 'test://x' } },
    { text: 'Please process the embedded resource above.' },
  ])
  expect(await messages('test_prompt_with_image')).toMatchObject([
    { type: 'image' },
    { text: 'Please analyze the image above.' },
  ])
  const ref = { type: 'ref/prompt', name: 'test_prompt_with_arguments' } as const
  const { completion } = await client.complete({ ref, argument: { name: 'arg1', value: 'par' } })
  expect(completion.values).toEqual(['paris', 'park', 'party'])

  const read = async (uri: string) => (await client.readResource({ uri })).contents[0]
  expect(await read('test://static-text')).toMatchObject({
    text: 'This is the content of the static text resource.',
    mimeType: 'text/plain',
  })
  expect((await read('test://static-binary')) as { blob: string }).toMatchObject({
    blob: expect.stringMatching(/^iVBORw0KGgo/),
  })
  const data = (await read('test://template/7/data')) as { text: string }
  expect(JSON.parse(data.text)).toEqual({ id: '7', templateTest: true, data: 'Data for ID: 7' })
  const second = async () =>
    JSON.parse(((await read('test://watched-resource')) as { text: string }).text).second
  const before = await second()
  h.world.pass(3_000)
  expect((await second()) - before).toBe(3)
  await client.close()
})

test('a tool and a prompt are added and removed while the server runs', async () => {
  const listed = async () => {
    // A client caches its lists.
    const client = await connectInMemory(h.hosted)
    const { tools } = await client.listTools()
    const { prompts } = await client.listPrompts()
    await client.close()
    return [
      tools.some(({ name }) => name === 'test_further_tool'),
      prompts.some(({ name }) => name === 'test_further_prompt'),
    ]
  }
  expect(await listed()).toEqual([false, false])
  expect((await h.refusal('test_further_tool')).code).toBe('unknown-tool')
  expect(await text('test_trigger_tool_change')).toBe('Added test_further_tool.')
  expect(await listed()).toEqual([true, false])
  expect(await text('test_further_tool')).toBe('This was added while the server ran.')
  expect(await text('test_trigger_prompt_change')).toBe('Added test_further_prompt.')
  expect(await listed()).toEqual([true, true])
  const client = await connectInMemory(h.hosted)
  expect((await client.getPrompt({ name: 'test_further_prompt' })).messages).toHaveLength(1)
  await client.close()
  expect(await text('test_trigger_tool_change')).toBe('Removed test_further_tool.')
  expect(await text('test_trigger_prompt_change')).toBe('Removed test_further_prompt.')
  expect(await listed()).toEqual([false, false])
})
