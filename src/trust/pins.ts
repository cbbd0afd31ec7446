/** What somebody else's server offers, compared with what of it was approved. Pure. */
import { createHash } from 'node:crypto'
import { type Flag, flagsOfDefinition } from './flags.ts'

export type OfferKind = 'tool' | 'prompt' | 'resource' | 'template'

/** One thing on offer. `said`: all of it that a model or a client goes by; a change of any of it is a change. */
export interface Definition {
  readonly kind: OfferKind
  /** Of a resource its URI, of a template its URI template. */
  readonly name: string
  readonly said: Readonly<Record<string, unknown>>
}

/** `new`: nobody has approved it; `changed`: it is not what was approved. Only an approved one is used. */
export type PinState = 'approved' | 'new' | 'changed'

export interface Judged extends Definition {
  /** SHA-256 of the definition as it is now. */
  readonly hash: string
  readonly state: PinState
  readonly flags: readonly Flag[]
  /** Lines that went (-) and came (+) since it was approved. */
  readonly difference: readonly string[]
}

const MAX_DIFFERENCE = 40

/** Keys in order, so that the same definition has the same hash whoever wrote it down. */
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

/** Where its approval is kept. */
export const pinKey = ({ kind, name }: Pick<Definition, 'kind' | 'name'>): string => `${kind} ${name}`

export function judge(definition: Definition, pinned: Definition | undefined): Judged {
  const hash = hashOf(definition)
  const state = pinned === undefined ? 'new' : hashOf(pinned) === hash ? 'approved' : 'changed'
  const difference = state === 'changed' && pinned ? differenceOf(linesOf(pinned), linesOf(definition)) : []
  return { ...definition, hash, state, flags: flagsOfDefinition(definition.said), difference }
}

/** Lines that went and came; with what people do not see made visible. */
function differenceOf(before: readonly string[], after: readonly string[]): string[] {
  const visible = (line: string) =>
    [...line]
      .map((character) =>
        /[\x20-\x7e]/.test(character) ? character : `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`,
      )
      .join('')
  const went = before.filter((line) => !after.includes(line)).map((line) => `- ${visible(line)}`)
  const came = after.filter((line) => !before.includes(line)).map((line) => `+ ${visible(line)}`)
  return [...went, ...came].slice(0, MAX_DIFFERENCE)
}
