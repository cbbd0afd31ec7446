/** Tools of the reference server that continue as MCP tasks. */
import { setTimeout as sleep } from 'node:timers/promises'
import * as z from 'zod'
import type { Tool } from '../../../mcp/define.ts'
import { type Conversation, entered, internalError } from '../../../mcp/elicitation.ts'
import { KintsugiError } from '../../../std/errors.ts'
import { line, tool } from './fixtures.ts'
import { NEEDS_CLIENT } from './input-tools.ts'
import { enteredName, form, nameForm } from './questions.ts'

const CONFIRMED = z.object({ confirm: z.boolean() })
/** Interval between two reports of progress. */
const STEP_MS = 100

/** Runs for that long and reports progress, until it is cancelled. */
async function work(
  seconds: number,
  { progress, signal }: Pick<Conversation, 'progress'> & { signal: AbortSignal },
): Promise<void> {
  const steps = Math.ceil((seconds * 1_000) / STEP_MS)
  for (let done = 1; done <= steps; done++) {
    await sleep(STEP_MS, undefined, { signal })
    progress(done, steps)
  }
}

/** Tools that run as tasks where the client supports tasks. */
export const taskTools: Readonly<Record<string, Tool>> = {
  slow_compute: tool({
    description: 'Runs for the given time, as a task if the client supports tasks.',
    effect: 'read',
    input: {
      seconds: z.number().min(0).max(60).default(1),
      label: z.string().max(200).default('work'),
    },
    examples: [{ seconds: 0 }],
    run: async ({ seconds, label }, context) => {
      if (seconds > 0) await context.detach()
      await work(seconds, context)
      return line(`${label}: done after ${seconds} s`)
    },
  }),
  failing_job: tool({
    ...NEEDS_CLIENT,
    description: 'Runs as a task and fails after one second, with an error of the tool.',
    input: {},
    run: async (_input, context) => {
      await context.detach({ must: true })
      await work(1, context)
      throw new KintsugiError('intended-failure', 'This job intentionally fails')
    },
  }),
  protocol_error_job: tool({
    ...NEEDS_CLIENT,
    description: 'Runs as a task and fails with an error of the protocol instead of the tool.',
    input: {},
    run: async (_input, context) => {
      await context.detach({ must: true })
      await work(0.2, context)
      throw internalError('This job intentionally fails')
    },
  }),
  confirm_delete: tool({
    ...NEEDS_CLIENT,
    description: 'Requests a confirmation as a task and waits for it; nothing is deleted.',
    input: { filename: z.string().max(200).default('example.txt') },
    run: async ({ filename }, { ask, detach }) => {
      await detach()
      const { confirm } = await ask({
        confirm: form(`Delete ${filename}?`, { confirm: { type: 'boolean' } }),
      })
      const answer = entered(confirm, CONFIRMED)
      const yes = answer !== undefined && answer !== 'declined' && answer.confirm
      return line(yes ? `${filename} would be deleted` : `${filename} is kept`)
    },
  }),
  multi_input: tool({
    ...NEEDS_CLIENT,
    description: 'Requests two forms as a task and waits for both.',
    input: {},
    run: async (_input, { ask, detach }) => {
      await detach()
      const answers = await ask({
        first: nameForm('First: what is your name?'),
        second: nameForm('Second: what is the name of your friend?'),
      })
      return line(`${enteredName(answers, 'first')} and ${enteredName(answers, 'second')}`)
    },
  }),
  test_tool_with_task: tool({
    ...NEEDS_CLIENT,
    description: 'Requests a name before it starts, then continues as a task.',
    input: {},
    run: async (_input, context) => {
      const name = enteredName(await context.ask({ user_name: nameForm() }))
      await context.detach()
      await work(0.2, context)
      return line(`Done for ${name}.`)
    },
  }),
}
