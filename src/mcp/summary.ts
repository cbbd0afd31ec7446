/**
 * The text next to structured content: a short answer itself, otherwise its scalars and the sizes of its
 * lists.
 */

/** Answers up to this many characters are repeated as text. */
const MAX_WHOLE = 400
const MAX_VALUE = 120
const MAX_FIELDS = 12

/** `answer`: plain JSON. */
export function summaryOf(answer: Readonly<Record<string, unknown>>): string {
  const whole = JSON.stringify(answer)
  if (whole.length <= MAX_WHOLE) return whole
  const fields = Object.entries(answer)
  const lines = fields.slice(0, MAX_FIELDS).map(([name, value]) => `${name}: ${brief(value)}`)
  if (fields.length > MAX_FIELDS) lines.push(`and ${fields.length - MAX_FIELDS} more fields`)
  return `${lines.join('\n')}\n(${whole.length} characters in structuredContent)`
}

function brief(value: unknown): string {
  if (Array.isArray(value)) {
    if (value.length === 0) return 'none'
    return `${value.length}, first ${cut(JSON.stringify(value[0]))}`
  }
  return cut(typeof value === 'string' ? value : JSON.stringify(value))
}

const cut = (text: string) => (text.length > MAX_VALUE ? `${text.slice(0, MAX_VALUE - 1)}…` : text)
