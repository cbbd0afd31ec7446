/** Search for tools by words, their stems and their synonyms, ranked by BM25. Pure. */
import MiniSearch from 'minisearch'
import { asksForState, openingWord, requestsAction } from './intent.ts'
import { SYNONYMS } from './synonyms.ts'
import { stem, wordsOf } from './words.ts'

/** A tool as the index reads it. */
export interface SearchableTool {
  /** `server__tool`. */
  readonly name: string
  readonly service: string
  readonly tool: string
  readonly description: string
  /** Words that users search with. */
  readonly keywords: string
  /** The names and descriptions of its arguments. */
  readonly parameters: string
  /** Words that users tagged its server with. */
  readonly tags: string
  /** Whether calling it changes something: a write or a spend. */
  readonly acts: boolean
}

/** A match. */
export interface Found {
  readonly name: string
  readonly score: number
}

/** Weight of a match, by field. */
const FIELD_WEIGHTS = { tool: 8, service: 0.3, tags: 2, description: 2, keywords: 2, parameters: 0.2 }
/** Weight of a synonym relative to the word itself. */
const SYNONYM_WEIGHT = 0.7
/** Saturation of repeated words (k), penalty of long texts (b), lower bound of a match (d). */
const BM25 = { k: 0.7, b: 0.3, d: 0.5 }
/** Minimum length of a word that also matches as a prefix. */
const MIN_PREFIX_LENGTH = 4
/** Minimum length of a word that also matches with typing errors. */
const MIN_FUZZY_LENGTH = 6
/** A match with less than this share of the best score is not relevant. */
const RELEVANT_SHARE = 0.1
/** Words of a query beyond this number are ignored. */
const MAX_WORDS = 32

/** The stem that a question about a state implies. */
const STATUS = 'status'

/** The name of a tool without its server's: the tool of a connected server has both. */
const plainName = (tool: string): string => tool.split('__').at(-1) ?? tool

/** An index of tools. */
export class ToolIndex {
  readonly #index = new MiniSearch<SearchableTool & { id: string }>({
    fields: Object.keys(FIELD_WEIGHTS),
    idField: 'id',
    tokenize: wordsOf,
    processTerm: (term) => stem(term),
  })

  /** The first word of each tool that changes something, as a stem, by the tool's name. */
  readonly #acting: ReadonlyMap<string, string | undefined>

  constructor(tools: Iterable<SearchableTool>) {
    const all = [...tools]
    this.#index.addAll(all.map((tool) => ({ ...tool, id: tool.name })))
    this.#acting = new Map(
      all.flatMap(({ name, tool, acts }) => (acts ? [[name, openingWord(plainName(tool))]] : [])),
    )
  }

  /**
   * The best matches, best first; none for an empty query. Tools that change something rank after all other
   * relevant ones, unless the query is a command or begins with their own first word.
   */
  search(query: string, limit: number): Found[] {
    const terms = [...new Set(wordsOf(query).flatMap((word) => stem(word) ?? []))].slice(0, MAX_WORDS)
    if (terms.length === 0) return []
    const implied = terms.flatMap((term) => SYNONYMS.get(term) ?? [])
    if (asksForState(query)) implied.push(STATUS)
    const synonyms = new Set(implied.filter((term) => !terms.includes(term)))
    const found = this.#index.search([...terms, ...synonyms].join(' '), {
      boost: FIELD_WEIGHTS,
      combineWith: 'OR',
      bm25: BM25,
      tokenize: (text) => text.split(' '),
      processTerm: (term) => term,
      prefix: (term) => term.length >= MIN_PREFIX_LENGTH && !synonyms.has(term),
      fuzzy: (term) => (term.length >= MIN_FUZZY_LENGTH && !synonyms.has(term) ? 0.2 : false),
      boostTerm: (term) => (synonyms.has(term) ? SYNONYM_WEIGHT : 1),
    })
    const all = found.map(({ id, score }) => ({ name: id as string, score }))
    if (requestsAction(query)) return all.slice(0, limit)
    const opening = openingWord(query)
    const acts = ({ name }: Found) => this.#acting.has(name) && this.#acting.get(name) !== opening
    const minScore = RELEVANT_SHARE * (all[0]?.score ?? 0)
    const rank = (found: Found) => (found.score < minScore ? 2 : acts(found) ? 1 : 0)
    const ranked = all.toSorted((a, b) => rank(a) - rank(b))
    return ranked.slice(0, limit)
  }
}
