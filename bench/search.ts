/**
 * Tool search on users' questions: how often a right tool is first, and among the first five. Half of the
 * questions were used for tuning, the other half was held out; the everyday questions at the end were all
 * used for tuning. Also: the number of tokens that a model reads, with search and without.
 * node bench/search.ts [--misses]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { compactListing } from '../src/gateway/mcp/listings.ts'
import { META_LISTINGS } from '../src/gateway/mcp/meta-tools.ts'
import { listTool } from '../src/mcp/schema.ts'
import { searchableTool, TEST_SERVERS } from '../src/mcp/tool-search.ts'
import { loadService, SERVICE_NEEDS } from '../src/processes/services.gen.ts'
import { ToolIndex } from '../src/search/index.ts'

const definitions = (await Promise.all(Object.keys(SERVICE_NEEDS).map(loadService))).flatMap((definition) =>
  // As in a fleet, servers that only test the protocol are not searched.
  definition.kind === 'main' || TEST_SERVERS.has(definition.id) ? [] : [definition],
)
const tools = definitions.flatMap(({ id, tools }) =>
  Object.entries(tools).map(([plain, tool]) => {
    const listing = listTool(plain, tool)
    return {
      service: id,
      plain,
      listing: { ...listing, name: `${id}__${plain}` },
      keywords: tool.keywords ?? '',
    }
  }),
)
const [general = '', everyday = ''] = readFileSync(
  join(import.meta.dirname, '../test/fixtures/tool-questions.txt'),
  'utf8',
).split('\n# everyday')
const linesOf = (text: string) =>
  text.split('\n').filter((line) => line.includes('|') && !line.startsWith('#'))
const generalCount = linesOf(general).length
const questions = linesOf(`${general}\n#${everyday}`).map((line, number) => {
  const [question, right] = line.split('|').map((part) => part.trim()) as [string, string]
  return { number, question, right: right.split(',').map((name) => name.trim()) }
})
const unknown = questions.flatMap(({ right }) =>
  right.filter((name) => !tools.some(({ plain }) => plain === name)),
)
if (unknown.length > 0) throw new Error(`no such tools: ${unknown.join(', ')}`)

const started = performance.now()
const index = new ToolIndex(
  tools.map(({ service, plain, listing, keywords }) => searchableTool(service, plain, listing, keywords, [])),
)
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
for (const [name, of] of [
  ['tuned on', ranked.filter(({ number }) => number < generalCount && number % 2 === 0)],
  ['held out', ranked.filter(({ number }) => number < generalCount && number % 2 === 1)],
  ['everyday', ranked.filter(({ number }) => number >= generalCount)],
] as const) {
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
  for (const { number, question, right, found, rank } of ranked)
    if (number >= generalCount ? rank !== 0 : number % 2 === 0 && (rank < 0 || rank > 4))
      console.log(`${question} | wanted ${right.join(', ')} | got ${found.slice(0, 5).join(', ')}`)
