import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { type Dynamic, defineServer, toolbox } from '../define.ts'
import { Definitions } from './definitions.ts'

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex')
const tool = (description: string) =>
  toolbox<never>().read({ description, input: {}, output: {}, examples: [{}], run: () => ({}) })

test('dynamic tools are added, changed and removed; hashes follow', () => {
  const dynamic: { tools: Record<string, ReturnType<typeof tool>>; stop(): void } = {
    tools: {},
    stop: () => {
      stopped = true
    },
  }
  let stopped = false
  let changed: () => void = () => undefined
  let changes = 0
  const definition = defineServer({
    id: 'bridge',
    needs: [],
    tools: () => ({ fixed: tool('always there') }),
    dynamic: (_scope, onChange) => {
      changed = onChange
      return dynamic as Dynamic
    },
  })
  const definitions = new Definitions(definition, { now: () => 0 } as never, () => changes++)
  const first = definitions.listing
  expect([[...definitions.tools.keys()], first.changing, definitions.hashOf('added')]).toEqual([
    ['fixed'],
    true,
    '',
  ])

  dynamic.tools = { added: tool('one') }
  expect([...definitions.tools.keys()]).toEqual(['fixed'])
  changed()
  expect([[...definitions.tools.keys()], changes]).toEqual([['fixed', 'added'], 1])
  expect(definitions.listing.hash).not.toBe(first.hash)
  const one = definitions.hashOf('added')
  expect(one).toBe(sha256(JSON.stringify(definitions.listing.tools[1])))

  dynamic.tools = { added: tool('two') }
  changed()
  expect(definitions.hashOf('added')).not.toBe(one)
  expect(definitions.hashOf('fixed')).toBe(sha256(JSON.stringify(definitions.listing.tools[0])))

  dynamic.tools = {}
  changed()
  expect(definitions.listing.hash).toBe(first.hash)
  definitions.stop()
  expect(stopped).toBe(true)
})
