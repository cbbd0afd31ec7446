/**
 * JSON of untrusted callers. Deep nesting is refused before parsing: recursive code would exhaust the stack.
 */
import { KintsugiError } from './errors.ts'

/** Maximum depth of nested arrays and objects. */
export const MAX_DEPTH = 64

/** Whether arrays and objects nest deeper than `MAX_DEPTH`. Brackets in strings do not count. */
export function tooDeep(text: string): boolean {
  if (text.length <= MAX_DEPTH) return false
  let depth = 0
  let inString = false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (inString) {
      if (code === 0x5c) at++
      else if (code === 0x22) inString = false
    } else if (code === 0x22) inString = true
    else if (code === 0x5b || code === 0x7b) {
      if (++depth > MAX_DEPTH) return true
    } else if (code === 0x5d || code === 0x7d) depth--
  }
  return false
}

/** Parses JSON of limited depth. Throws `bad-json`, with `hint` if given. */
export function parseShallow(text: string, hint?: string): unknown {
  if (tooDeep(text))
    throw new KintsugiError(
      'bad-json',
      `the body is nested deeper than ${MAX_DEPTH} levels`,
      hint === undefined ? {} : { hint },
    )
  try {
    return JSON.parse(text)
  } catch {
    throw new KintsugiError(
      'bad-json',
      `the body is not JSON (starts with ${JSON.stringify(text.slice(0, 40))})`,
      hint === undefined ? {} : { hint },
    )
  }
}
