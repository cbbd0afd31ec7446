/** Suggestions for a misspelt name, for "did you mean". */

const MAX_NAME_LENGTH = 100
const MAX_SUGGESTIONS = 3
/** One edit is accepted for this many characters. */
const CHARACTERS_PER_EDIT = 4

/**
 * The candidates most similar to `name`, best first: by the edit distance to a candidate, or to its part
 * after `__`. Empty if none is similar.
 */
export function nearest(name: string, candidates: Iterable<string>): string[] {
  if (name.length === 0 || name.length > MAX_NAME_LENGTH) return []
  const wanted = normalized(name)
  const maxEdits = Math.max(1, Math.floor(wanted.length / CHARACTERS_PER_EDIT))
  return [...candidates]
    .flatMap((candidate) => {
      const full = normalized(candidate)
      const edits = Math.min(
        distance(wanted, full, maxEdits),
        distance(wanted, full.slice(full.indexOf('__') + 2), maxEdits),
      )
      return edits > maxEdits ? [] : [{ candidate, edits }]
    })
    .sort((a, b) => a.edits - b.edits || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, MAX_SUGGESTIONS)
    .map(({ candidate }) => candidate)
}

const normalized = (name: string): string => name.toLowerCase().replaceAll('-', '_')

/** Levenshtein distance; at least `max + 1` if it exceeds `max`. */
function distance(a: string, b: string, max: number): number {
  if (Math.abs(a.length - b.length) > max) return max + 1
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const substitution = (previous[column - 1] as number) + (a[row - 1] === b[column - 1] ? 0 : 1)
      const insertion = (current[column - 1] as number) + 1
      const deletion = (previous[column] as number) + 1
      current.push(Math.min(substitution, insertion, deletion))
    }
    previous = current
  }
  return previous[b.length] as number
}
