/** What is wrong with a value, in plain words: the field, what was expected, what it got. */
import type * as z from 'zod'
import { nearest } from '../std/nearest.ts'

/** One field that is wrong. */
export interface FieldProblem {
  /** Path of the field, joined by dots. */
  readonly field: string
  readonly expected: string
  readonly got: string
}

const MAX_PROBLEMS = 10
const MAX_SHOWN_CHARACTERS = 60

/**
 * The problems of a failed parse of `value`. `known`: fields that an undeclared one may have been meant as.
 */
export function describeIssues(
  { issues }: z.core.$ZodError,
  value: unknown,
  known: readonly string[] = [],
): FieldProblem[] {
  return issues.slice(0, MAX_PROBLEMS).flatMap((issue) => problemsOf(issue, value, known))
}

/** Problems as one line. */
export const problemText = (problems: readonly FieldProblem[]): string =>
  problems.map(({ field, expected, got }) => `${field}: ${expected} (got ${got})`).join('; ')

function problemsOf(issue: z.core.$ZodIssue, value: unknown, known: readonly string[]): FieldProblem[] {
  const path = issue.path.join('.')
  if (issue.code === 'unrecognized_keys')
    return issue.keys.map((key) => {
      const suggestion = path === '' ? nearest(key, known)[0] : undefined
      return {
        field: path === '' ? key : `${path}.${key}`,
        expected: `unknown field${suggestion ? `, did you mean ${suggestion}?` : ''}`,
        got: shown(valueAt(value, [...issue.path, key])),
      }
    })
  const got = valueAt(value, issue.path)
  const expected = got === undefined ? `missing; ${expectationOf(issue)}` : expectationOf(issue)
  return [{ field: path || '(arguments)', expected, got: shown(got) }]
}

const TYPES: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  object: 'an object',
  record: 'an object',
  array: 'a list',
}

const UNITS: Readonly<Record<string, string>> = { string: ' characters', array: ' items', set: ' items' }

/** What an issue expected. A message of our own is kept; zod's default wording is replaced. */
function expectationOf(issue: z.core.$ZodIssue): string {
  if (!/^(Invalid|Too small|Too big|Unrecognized)/.test(issue.message)) return issue.message
  switch (issue.code) {
    case 'invalid_type':
      return `expected ${TYPES[issue.expected] ?? issue.expected}`
    case 'too_small':
      return `expected ${issue.inclusive === false ? 'more than' : 'at least'} ${issue.minimum}${UNITS[issue.origin] ?? ''}`
    case 'too_big':
      return `expected ${issue.inclusive === false ? 'less than' : 'at most'} ${issue.maximum}${UNITS[issue.origin] ?? ''}`
    case 'invalid_value':
      return `expected ${issue.values.length === 1 ? '' : 'one of '}${issue.values.join(', ')}`
    case 'invalid_format':
      return `expected text of the form ${issue.pattern ?? issue.format}`
    case 'invalid_union':
      return 'expected one of the forms that the schema lists'
    default:
      return issue.message
  }
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (at, key) =>
      at === null || typeof at !== 'object' || !Object.hasOwn(at, key)
        ? undefined
        : (at as Record<PropertyKey, unknown>)[key],
    value,
  )
}

function shown(value: unknown): string {
  if (value === undefined) return 'nothing'
  const text = JSON.stringify(value)
  return text.length > MAX_SHOWN_CHARACTERS ? `${text.slice(0, MAX_SHOWN_CHARACTERS - 3)}...` : text
}

/** The path of the first text with a NUL character; undefined without one. No database stores it. */
export function nulIn(value: unknown, path = ''): string | undefined {
  if (typeof value === 'string') return value.includes('\0') ? path : undefined
  if (value === null || typeof value !== 'object') return undefined
  for (const [key, item] of Object.entries(value)) {
    const found = nulIn(item, path === '' ? key : `${path}.${key}`)
    if (found !== undefined) return found
  }
  return undefined
}
