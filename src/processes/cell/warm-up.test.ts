/** The warm-up of a spare: its steps, and its interruption when the spare is needed. */
import { expect, test, vi } from 'vitest'
import { type AnyDefinition, defineServer, type MainContext } from '../../mcp/define.ts'
import type { PortName } from '../../ports/ports.ts'
import { warmUp } from './warm-up.ts'

const log = { debug: vi.fn(), info: vi.fn(), warn: vi.fn(), error: vi.fn() }

function options(change: { signer?: boolean; interruptedAfter?: number } = {}) {
  const [loaded, opened]: [string[], PortName[]] = [[], []]
  let [checks, collected] = [0, 0]
  return {
    loaded,
    opened,
    collected: () => collected,
    warmUp: () =>
      warmUp({
        services: ['a', 'b'],
        load: async (id): Promise<AnyDefinition> => {
          loaded.push(id)
          return defineServer({ id, needs: [], tools: () => ({}) })
        },
        ports: {
          open: (name) => {
            opened.push(name)
            return Promise.reject(new Error(`no ${name} in this test`))
          },
        },
        context: {} as MainContext,
        signer: change.signer ?? false,
        interrupted: () => ++checks > (change.interruptedAfter ?? Number.POSITIVE_INFINITY),
        log,
        collectGarbage: () => {
          collected++
        },
      }),
  }
}

test('the code of every service is loaded, the ports are opened, and the garbage is collected at the end', async () => {
  const spare = options()
  expect(await spare.warmUp()).toBe(true)
  expect(spare.loaded).toEqual(['a', 'b'])
  expect(new Set(spare.opened)).toEqual(
    new Set(['market', 'loans', 'bus', 'fleet', 'metrics', 'ledger', 'halt', 'chain', 'records']),
  )
  expect(spare.collected()).toBe(1)
})

test('a port that cannot be opened does not end the warm-up; the failed rehearsal is logged', async () => {
  log.debug.mockClear()
  expect(await options().warmUp()).toBe(true)
  expect(log.debug).toHaveBeenCalledWith({ error: expect.stringMatching(/^no /) }, 'the rehearsal failed')
})

test.each([
  [0, [], []],
  [1, ['a', 'b'], []],
  [2, ['a', 'b'], ['market', 'loans', 'bus', 'fleet', 'metrics', 'ledger']],
])('a spare interrupted at check %i goes no further', async (interruptedAfter, loaded, opened) => {
  const spare = options({ interruptedAfter })
  expect(await spare.warmUp()).toBe(false)
  expect([spare.loaded, spare.opened, spare.collected()]).toEqual([loaded, opened, 0])
})

test('the listings of tools are built', async () => {
  const listed = vi.fn()
  const definition = defineServer({
    id: 'a',
    needs: [],
    tools: ({ read }) => ({
      t: read({ description: 'd', input: {}, output: {}, examples: [{}], run: () => ({}) }),
    }),
  })
  const tools = new Proxy(definition.tools, {
    ownKeys: (target) => {
      listed()
      return Reflect.ownKeys(target)
    },
  })
  await warmUp({
    services: ['a'],
    load: async () => ({ ...definition, tools }),
    ports: { open: () => Promise.reject(new Error('closed')) },
    context: {} as MainContext,
    signer: false,
    interrupted: () => listed.mock.calls.length > 0,
    log,
    collectGarbage: () => undefined,
  })
  expect(listed).toHaveBeenCalled()
})
