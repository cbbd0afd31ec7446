/** Finds the right tool among hundreds: words, their stems and their synonyms, ranked by BM25. Pure. */
import MiniSearch from 'minisearch'
import { SYNONYMS } from './synonyms.ts'
import { stem, wordsOf } from './words.ts'

export interface SearchableTool {
  /** `server__tool`. */
  readonly name: string
  readonly service: string
  readonly tool: string
  readonly description: string
  /** Words that users say. */
  readonly keywords: string
  /** The names and descriptions of its arguments. */
  readonly parameters: string
  /** Words that people tagged its server with. */
  readonly tags: string
}

export interface Found {
  readonly name: string
  readonly score: number
}

/** How much a match in a field counts. */
const BOOST = { tool: 8, service: 0.3, tags: 2, description: 2, keywords: 2, parameters: 0.2 }
/** A synonym counts for less than the word itself. */
const SYNONYM_WEIGHT = 0.7
/** How soon a repeated word says no more, and how much a long text is held against it. */
const BM25 = { k: 0.7, b: 0.3, d: 0.5 }
const PREFIX_FROM = 4
const FUZZY_FROM = 6
/** Words of a question that are looked for. */
const MAX_WORDS = 32

export class ToolIndex {
  readonly #index = new MiniSearch<SearchableTool & { id: string }>({
    fields: Object.keys(BOOST),
    idField: 'id',
    tokenize: wordsOf,
    processTerm: (term) => stem(term),
  })

  constructor(tools: Iterable<SearchableTool>) {
    this.#index.addAll([...tools].map((tool) => ({ ...tool, id: tool.name })))
  }

  /** Best first. An empty question finds nothing. */
  search(question: string, limit: number): Found[] {
    const asked = [...new Set(wordsOf(question).flatMap((word) => stem(word) ?? []))].slice(0, MAX_WORDS)
    if (asked.length === 0) return []
    const synonyms = new Set(
      asked.flatMap((term) => SYNONYMS.get(term) ?? []).filter((term) => !asked.includes(term)),
    )
    const found = this.#index.search([...asked, ...synonyms].join(' '), {
      boost: BOOST,
      combineWith: 'OR',
      bm25: BM25,
      tokenize: (text) => text.split(' '),
      processTerm: (term) => term,
      prefix: (term) => term.length >= PREFIX_FROM && !synonyms.has(term),
      fuzzy: (term) => (term.length >= FUZZY_FROM && !synonyms.has(term) ? 0.2 : false),
      boostTerm: (term) => (synonyms.has(term) ? SYNONYM_WEIGHT : 1),
    })
    return found.slice(0, limit).map(({ id, score }) => ({ name: id as string, score }))
  }
}
