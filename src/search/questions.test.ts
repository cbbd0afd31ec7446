/** The search on the real tools, with the questions of users that `bench/search.ts` measures. */
import { beforeAll, expect, test } from 'vitest'
import { searchedTools, type ToolQuestion, toolQuestions } from '../../test/support/tool-questions.ts'
import { ToolIndex } from './index.ts'
import { openingWord, requestsAction } from './intent.ts'

/** Minimum share of held-out questions whose first result is right. */
const MIN_HELD_OUT = 0.7

interface Answer extends ToolQuestion {
  /** The plain name of the first result. */
  readonly first: string | undefined
  /** Whether calling it changes something. */
  readonly acts: boolean
}

let answers: readonly Answer[]
beforeAll(async () => {
  const tools = await searchedTools()
  const index = new ToolIndex(tools.map(({ searchable }) => searchable))
  const byName = new Map(tools.map(({ searchable }) => [searchable.name, searchable]))
  answers = toolQuestions(tools).map((each) => {
    const first = byName.get(index.search(each.question, 1)[0]?.name ?? '')
    return { ...each, first: first?.tool, acts: first?.acts ?? false }
  })
})

const of = (set: ToolQuestion['set']) => answers.filter((answer) => answer.set === set)
const wrong = ({ right, first }: Answer) => !right.some((name) => name === first)
const lines = (list: readonly Answer[]) =>
  list.map(({ question, right, first }) => `${question}: ${first} instead of ${right.join(' or ')}`)

test('each everyday question has a right tool first', () => {
  expect(of('everyday').length).toBeGreaterThan(10)
  expect(lines(of('everyday').filter(wrong))).toEqual([])
})

test.each([
  ['stop trading now', 'halt_trading'],
  ['halt trading', 'halt_trading'],
  ['which services are unhealthy', 'system_status'],
])('the questions contain "%s", and %s answers it', (question, tool) => {
  const answer = answers.find((each) => each.question === question)
  expect(answer?.right).toContain(tool)
  expect(answer?.right).toContain(answer?.first)
})

test(`at least ${MIN_HELD_OUT * 100} % of the held-out questions have a right tool first`, () => {
  const heldOut = of('held-out')
  const misses = heldOut.filter(wrong)
  const share = 1 - misses.length / heldOut.length
  const report = `${(share * 100).toFixed(1)} % of ${heldOut.length}; wrong:\n${lines(misses).join('\n')}`
  expect(heldOut.length).toBeGreaterThan(100)
  expect(share, report).toBeGreaterThanOrEqual(MIN_HELD_OUT)
})

test('no first result changes something, unless the query requests an action or begins with its verb', () => {
  const acting = answers.filter(({ acts }) => acts)
  expect(acting.length).toBeGreaterThan(10)
  const unrequested = acting.filter(
    ({ question, first = '' }) => !requestsAction(question) && openingWord(question) !== openingWord(first),
  )
  expect(lines(unrequested)).toEqual([])
})
