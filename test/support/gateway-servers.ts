/** The server behind the gateway in its tests, and a record of what it saw. */
import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { defineServer } from '../../src/mcp/define.ts'

/** What the servers saw: changes made, calls aborted, and the `authorization` headers of requests. */
export const seen = { changes: 0, aborted: 0, authorization: new Set<string | null>() }
/** Listener of the resource of `alpha`; call it to report a change. */
export const alphaState = { notifyChange: (): void => undefined }

/** A server with two reads, a write, resources that can change, and a prompt with completions. */
export const serverOf = (id: string) =>
  defineServer({
    id,
    needs: [],
    tools: ({ read, write }) => ({
      echo: read({
        description: 'Returns its text after a delay.',
        input: { text: z.string(), afterMs: z.int().max(5_000).default(0) },
        output: { text: z.string(), from: z.string() },
        examples: [{ text: 'a' }],
        run: async ({ text, afterMs }) => {
          if (afterMs > 0) await sleep(afterMs)
          return { text, from: id }
        },
      }),
      count: read({
        description: 'Counts and reports its progress.',
        input: { to: z.int().max(100) },
        output: { counted: z.int().describe('the number reached') },
        examples: [{ to: 3 }],
        run: async ({ to }, { progress, signal }) => {
          for (let at = 1; at <= to; at++) {
            progress(at, to, `at ${at}`)
            await sleep(20)
            if (signal.aborted) {
              seen.aborted++
              break
            }
          }
          return { counted: to }
        },
      }),
      change: write({
        description: 'Changes something.',
        input: {},
        output: { changes: z.int() },
        examples: [{}],
        run: () => ({ changes: ++seen.changes }),
      }),
    }),
    resources: {
      [`${id}://state`]: {
        title: 'state',
        description: 'The state.',
        read: () => ({ id }),
        watch: (_ports, onChange) => {
          if (id === 'alpha') alphaState.notifyChange = onChange
          return () => undefined
        },
      },
      'shared://state': { title: 'shared', description: 'Both have it.', read: () => ({ of: id }) },
    },
    prompts: {
      greet: {
        title: 'Greet',
        description: 'A greeting.',
        arguments: [
          {
            name: 'who',
            description: 'a name',
            required: true,
            complete: (_ports, beginning) =>
              ['ada', 'alan', 'grace'].filter((name) => name.startsWith(beginning)),
          },
        ],
        render: ({ who }) => `Greet ${who} from ${id}.`,
      },
    },
  })
