/**
 * Tools of the reference server that request input from their client: forms, samples of its model, its root
 * folders.
 */
import * as z from 'zod'
import type { Tool } from '../../../mcp/define.ts'
import { type Answers, listRoots, type Question } from '../../../mcp/elicitation.ts'
import { line, tool } from './fixtures.ts'
import { askModel, enteredName, form, formText, modelText, nameForm, rootsText } from './questions.ts'

const CHOICES = ['option1', 'option2', 'option3']
const titled = (titles: readonly string[]) =>
  titles.map((title, index) => ({ const: `value${index + 1}`, title }))

/** What holds for every tool that requests input: over plain HTTP there is no client to answer. */
export const NEEDS_CLIENT = {
  effect: 'read',
  examples: [],
  refusals: [[{}, 'input-not-possible']],
} as const

/** A tool that sends these questions and returns the answers as text. */
const asking = (
  description: string,
  questions: Readonly<Record<string, Question>>,
  toText: (answers: Answers) => string,
): Tool =>
  tool({
    ...NEEDS_CLIENT,
    description,
    input: {},
    run: async (_input, { ask }) => line(toText(await ask(questions))),
  })

/** One request of each kind. */
const single: Record<string, Tool> = {
  test_sampling: tool({
    ...NEEDS_CLIENT,
    description: "Sends a prompt to the client's model and returns its answer.",
    input: { prompt: z.string().min(1).max(10_000) },
    refusals: [[{ prompt: 'What is the capital of France?' }, 'input-not-possible']],
    run: async ({ prompt: question }, { ask }) =>
      line(`LLM response: ${modelText((await ask({ answer: askModel(question) })).answer)}`),
  }),
  test_elicitation: tool({
    ...NEEDS_CLIENT,
    description: 'Shows a form to the person at the client and returns what was entered.',
    input: { message: z.string().min(1).max(10_000) },
    refusals: [[{ message: 'Who are you?' }, 'input-not-possible']],
    run: async ({ message }, { ask }) => {
      const properties = {
        username: { type: 'string', description: "User's response" },
        email: { type: 'string', description: "User's email address" },
      }
      return line(`User response: ${formText((await ask({ answer: form(message, properties) })).answer)}`)
    },
  }),
  test_streaming_elicitation: tool({
    ...NEEDS_CLIENT,
    description: 'Reports progress, then shows a form to the person at the client.',
    input: {},
    run: async (_input, { ask, progress }) => {
      progress(50, 100)
      const { confirm } = await ask({ confirm: form('Continue?', { confirm: { type: 'boolean' } }) })
      return line(`Confirmed: ${formText(confirm)}`)
    },
  }),
  test_missing_capability: asking(
    'Requires a client that offers its model.',
    { answer: askModel('Are you there?') },
    ({ answer }) => modelText(answer),
  ),
}

/** Forms with every kind of field. */
const forms: Record<string, Tool> = {
  test_elicitation_sep1034_defaults: asking(
    'Shows a form whose fields have default values.',
    {
      answer: form(
        'Please review these values',
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
    ({ answer }) => `Elicitation completed: ${formText(answer)}`,
  ),
  test_elicitation_sep1330_enums: asking(
    'Shows a form with every kind of choice that MCP defines.',
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
    ({ answer }) => `Elicitation completed: ${formText(answer)}`,
  ),
}

const confirmation = { confirm: form('Please confirm', { ok: { type: 'boolean' } }) }
const confirmed = ({ confirm }: Answers) => `state-ok: ${formText(confirm)}`

/** Requests whose answer arrives with a repeated call (`input_required`). */
const rounds: Record<string, Tool> = {
  test_input_required_result_elicitation: asking(
    'Requests a name and returns a greeting.',
    { user_name: nameForm() },
    (answers) => `Hello, ${enteredName(answers)}!`,
  ),
  test_input_required_result_sampling: asking(
    "Requests the name of a capital from the client's model.",
    { capital_question: askModel('What is the capital of France?') },
    ({ capital_question }) => `The model answered: ${modelText(capital_question)}`,
  ),
  test_input_required_result_list_roots: asking(
    'Requests the root folders of the client.',
    { client_roots: listRoots() },
    (answers) => `Roots: ${rootsText(answers.client_roots)}`,
  ),
  test_input_required_result_request_state: asking(
    'Requests a confirmation; a signed state ties the answer to its question.',
    confirmation,
    confirmed,
  ),
  test_input_required_result_tampered_state: asking(
    'Requests a confirmation and refuses a state that was altered.',
    confirmation,
    confirmed,
  ),
  test_input_required_result_multiple_inputs: asking(
    'Requests a form, a sample of the model and the root folders at the same time.',
    { user_name: nameForm(), greeting: askModel('Generate a greeting', 50), client_roots: listRoots() },
    (answers) =>
      `${modelText(answers.greeting)}, ${enteredName(answers)}; roots: ${rootsText(answers.client_roots)}`,
  ),
  test_input_required_result_multi_round: tool({
    ...NEEDS_CLIENT,
    description: 'Requests a name, and in a second round a color.',
    input: {},
    run: async (_input, { ask }) => {
      const name = enteredName(await ask({ step1: nameForm('Step 1: What is your name?') }), 'step1')
      const { step2 } = await ask({
        step2: form('Step 2: What is your favorite color?', { color: { type: 'string' } }),
      })
      return line(`${name} answered: ${formText(step2)}`)
    },
  }),
  test_input_required_result_capabilities: tool({
    ...NEEDS_CLIENT,
    description: 'Requests only input that the capabilities of the client allow.',
    input: {},
    run: async (_input, { ask, client }) => {
      const answers = await ask({
        ...(client.sampling ? { greeting: askModel('Generate a greeting', 50) } : {}),
        ...(client.elicitation ? { user_name: nameForm() } : {}),
        ...(client.roots ? { client_roots: listRoots() } : {}),
      })
      return line(`Requested: ${Object.keys(answers).join(', ') || 'nothing'}`)
    },
  }),
}

/** Tools that request input from their client. */
export const inputTools: Readonly<Record<string, Tool>> = { ...single, ...forms, ...rounds }
