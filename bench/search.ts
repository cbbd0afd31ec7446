/**
 * Tool search on users' questions: how often a right tool is first, and among the first five. Half of the
 * questions were used for tuning, the other half was held out; the everyday questions at the end were all
 * used for tuning. Also: the number of tokens that a model reads, with search and without.
 * node bench/search.ts [--misses]
 */
import { compactListing } from '../src/gateway/mcp/listings.ts'
import { META_LISTINGS } from '../src/gateway/mcp/meta-tools.ts'
import { ToolIndex } from '../src/search/index.ts'
import { searchedTools, toolQuestions } from '../test/support/tool-questions.ts'

const tools = await searchedTools()
const questions = toolQuestions(tools)

const started = performance.now()
const index = new ToolIndex(tools.map(({ searchable }) => searchable))
const builtMs = performance.now() - started
const searched = performance.now()
const ranked = questions.map((each) => {
  const found = index.search(each.question, 10).map(({ name }) => name.split('__')[1] as string)
  return { ...each, found, rank: found.findIndex((name) => each.right.includes(name)) }
})
const searchMs = (performance.now() - searched) / questions.length

console.log(
  `${tools.length} tools, ${questions.length} questions; index built in ${builtMs.toFixed(1)} ms, a search takes ${searchMs.toFixed(2)} ms\n`,
)
console.log(
  '| questions | how many | right tool first | among the first 3 | among the first 5 |\n|---|---|---|---|---|',
)
for (const [name, which] of [
  ['tuned on', 'tuning'],
  ['held out', 'held-out'],
  ['everyday', 'everyday'],
] as const) {
  const of = ranked.filter(({ set }) => set === which)
  const share = (max: number) =>
    `${((of.filter(({ rank }) => rank >= 0 && rank < max).length / of.length) * 100).toFixed(1)} %`
  console.log(`| ${name} | ${of.length} | ${share(1)} | ${share(3)} | ${share(5)} |`)
}
/** Estimated tokens, at four characters per token. */
const tokens = (value: unknown) => Math.round(JSON.stringify(value).length / 4)
const answers = ranked.map(({ question }) => index.search(question, 5).length)
console.log(
  `\n| a model reads | tokens, about |\n|---|---|\n| all tools | ${tokens(tools.map(({ listing }) => compactListing(listing)))} |\n| the meta tools | ${tokens(META_LISTINGS)} |`,
)
if (answers.some((count) => count === 0))
  console.log(`\n${answers.filter((count) => count === 0).length} questions found nothing`)
if (process.argv.includes('--misses'))
  for (const { set, question, right, found, rank } of ranked)
    if (set === 'everyday' ? rank !== 0 : set === 'tuning' && (rank < 0 || rank > 4))
      console.log(`${question} | wanted ${right.join(', ')} | got ${found.slice(0, 5).join(', ')}`)
