/**
 * The text beside structured content: the answer itself where it is short, otherwise its fields and a line
 * per row of its lists.
 */

/** Answers up to this many characters are repeated as text. */
const MAX_WHOLE = 400
const MAX_FIELDS = 16
const MAX_ROWS = 10
const MAX_ROW = 200
/** A nested object, such as the schema of a tool, is whole up to this. */
const MAX_OBJECT = 1_500

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
  if (!Array.isArray(value)) return cut(plain(value), MAX_OBJECT)
  if (value.length === 0) return 'none'
  const rows = value.slice(0, MAX_ROWS).map((row) => `\n- ${cut(rowText(row), MAX_ROW)}`)
  const more = value.length > MAX_ROWS ? `\n- and ${value.length - MAX_ROWS} more` : ''
  return `${value.length}${rows.join('')}${more}`
}

/** A row as `name: value, ...`: its first fields are what it is about. */
const rowText = (row: unknown): string =>
  row !== null && typeof row === 'object' && !Array.isArray(row)
    ? Object.entries(row)
        .map(([name, value]) => `${name}: ${plain(value)}`)
        .join(', ')
    : plain(row)

const plain = (value: unknown) => (typeof value === 'string' ? value : JSON.stringify(value))
const cut = (text: string, max: number) => (text.length > max ? `${text.slice(0, max - 1)}…` : text)
