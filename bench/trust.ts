/**
 * Detections and false alarms of the scan of external definitions: on a labelled corpus, and on definitions
 * that are known to be clean: ours, and those of published servers.
 * node bench/trust.ts [--misses]
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listTool } from '../src/mcp/schema.ts'
import { loadService, SERVICE_NEEDS } from '../src/processes/services.gen.ts'
import { flagsOf, flagsOfDefinition } from '../src/trust/flags.ts'

const corpus = readFileSync(join(import.meta.dirname, '../test/fixtures/definitions-corpus.jsonl'), 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as { bad: boolean; text: string })
const judged = corpus.map((each) => ({ ...each, flags: flagsOf(each.text) }))
const bad = judged.filter((each) => each.bad)
const good = judged.filter((each) => !each.bad)
const definitions = (await Promise.all(Object.keys(SERVICE_NEEDS).map(loadService))).flatMap((definition) =>
  definition.kind === 'main'
    ? []
    : Object.entries(definition.tools).map(([name, tool]) => ({
        name: `${definition.id}__${name}`,
        flags: flagsOfDefinition(listTool(name, tool)),
      })),
)
const flagged = definitions.filter(({ flags }) => flags.length > 0)
console.log(`| corpus | how many | flagged |\n|---|---|---|
| poisoned | ${bad.length} | ${bad.filter(({ flags }) => flags.length > 0).length} |
| clean | ${good.length} | ${good.filter(({ flags }) => flags.length > 0).length} |
| our own definitions | ${definitions.length} | ${flagged.length} |`)
if (process.argv.includes('--misses')) {
  for (const { text } of bad.filter(({ flags }) => flags.length === 0)) console.log(`missed: ${text}`)
  for (const { text, flags } of good.filter(({ flags }) => flags.length > 0))
    console.log(`wrong: ${text} ${JSON.stringify(flags)}`)
  for (const { name, flags } of flagged) console.log(`wrong: ${name} ${JSON.stringify(flags)}`)
}
