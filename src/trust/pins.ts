/** Definitions of connected servers compared with the approved ones. Pure. */
import { createHash } from 'node:crypto'
import { type Flag, flagsOfDefinition } from './flags.ts'

/** The kinds of items that a server offers. */
export type OfferKind = 'tool' | 'prompt' | 'resource' | 'template'

/**
 * A definition. `said`: every field that a model or a client uses; a change of any field changes the
 * definition.
 */
export interface Definition {
  readonly kind: OfferKind
  /** For a resource its URI, for a template its URI template. */
  readonly name: string
  readonly said: Readonly<Record<string, unknown>>
}

/**
 * `new`: not approved yet; `changed`: differs from the approved definition. Only `approved` definitions can
 * be used.
 */
export type PinState = 'approved' | 'new' | 'changed'

/** A definition with its state. */
export interface JudgedDefinition extends Definition {
  /** SHA-256 of the current definition, in hex. */
  readonly hash: string
  readonly state: PinState
  readonly flags: readonly Flag[]
  /** Lines removed (-) and added (+) since the approval. */
  readonly difference: readonly string[]
}

const MAX_DIFFERENCE_LINES = 40

/** The value with sorted keys, so that equal definitions have equal hashes. */
const canonical = (value: unknown): unknown =>
  Array.isArray(value)
    ? value.map(canonical)
    : value !== null && typeof value === 'object'
      ? Object.fromEntries(
          Object.entries(value)
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([key, inner]) => [key, canonical(inner)]),
        )
      : value
const linesOf = (definition: Definition): string[] =>
  JSON.stringify(canonical(definition), null, 1).split('\n')
const hashOf = (definition: Definition): string =>
  createHash('sha256')
    .update(JSON.stringify(canonical(definition)))
    .digest('hex')

/** The key of an approval. */
export const pinKey = ({ kind, name }: Pick<Definition, 'kind' | 'name'>): string => `${kind} ${name}`

/** Compares a definition with the approved one. */
export function judge(definition: Definition, pinned: Definition | undefined): JudgedDefinition {
  const hash = hashOf(definition)
  const state = pinned === undefined ? 'new' : hashOf(pinned) === hash ? 'approved' : 'changed'
  const difference = state === 'changed' && pinned ? differenceOf(linesOf(pinned), linesOf(definition)) : []
  return { ...definition, hash, state, flags: flagsOfDefinition(definition.said), difference }
}

/** Removed and added lines; non-ASCII characters are escaped. */
function differenceOf(before: readonly string[], after: readonly string[]): string[] {
  const visible = (line: string) =>
    [...line]
      .map((character) =>
        /[\x20-\x7e]/.test(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
      )
      .join('')
  const removed = before.filter((line) => !after.includes(line)).map((line) => `- ${visible(line)}`)
  const added = after.filter((line) => !before.includes(line)).map((line) => `+ ${visible(line)}`)
  return [...removed, ...added].slice(0, MAX_DIFFERENCE_LINES)
}
