/** The tools as a fleet's search indexes them, and the users' questions with the tools that answer them. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { listTool } from '../../src/mcp/schema.ts'
import { searchableTool, TEST_SERVERS } from '../../src/mcp/tool-search.ts'
import type { ToolListing } from '../../src/ports/definitions.ts'
import { loadService, SERVICE_NEEDS } from '../../src/processes/services.gen.ts'
import type { SearchableTool } from '../../src/search/index.ts'

const FILE = join(import.meta.dirname, '../fixtures/tool-questions.txt')

/** A tool as the search indexes it, and as clients list it. */
export interface SearchedTool {
  readonly searchable: SearchableTool
  readonly listing: ToolListing
}

/** A question; a right answer is the plain name of one of `right`. */
export interface ToolQuestion {
  readonly question: string
  readonly right: readonly string[]
  /** `tuning` and `everyday` questions were used for tuning the search; `held-out` ones were not. */
  readonly set: 'tuning' | 'held-out' | 'everyday'
}

/** The tools of all servers and agents. As in a fleet, servers that only test the protocol are omitted. */
export async function searchedTools(): Promise<SearchedTool[]> {
  const definitions = await Promise.all(Object.keys(SERVICE_NEEDS).map(loadService))
  return definitions.flatMap((definition) =>
    definition.kind === 'main' || TEST_SERVERS.has(definition.id)
      ? []
      : Object.entries(definition.tools).map(([plain, tool]) => {
          const listing = listTool(plain, tool)
          return {
            searchable: searchableTool(definition.id, plain, listing, tool.keywords ?? '', []),
            listing: { ...listing, name: `${definition.id}__${plain}` },
          }
        }),
  )
}

/** All questions. Throws if a question names a tool that is not among `tools`. */
export function toolQuestions(tools: readonly SearchedTool[]): ToolQuestion[] {
  const [general = '', everyday = ''] = readFileSync(FILE, 'utf8').split('\n# everyday')
  const questions = [
    ...linesOf(general).map((line, number) => questionOf(line, number % 2 === 0 ? 'tuning' : 'held-out')),
    ...linesOf(everyday).map((line) => questionOf(line, 'everyday')),
  ]
  const known = new Set(tools.map(({ searchable }) => searchable.tool))
  const unknown = questions.flatMap(({ right }) => right.filter((name) => !known.has(name)))
  if (unknown.length > 0) throw new Error(`${FILE}: no such tools: ${unknown.join(', ')}`)
  return questions
}

const linesOf = (text: string): string[] =>
  text.split('\n').filter((line) => line.includes('|') && !line.startsWith('#'))

function questionOf(line: string, set: ToolQuestion['set']): ToolQuestion {
  const [question = '', right = ''] = line.split('|').map((part) => part.trim())
  return { question, right: right.split(',').map((name) => name.trim()), set }
}
