/** Formatting of amounts, times and tables for people. */
import pc from 'picocolors'

export const color = pc

/** `1234567890` with 6 decimals is `1,234.56789`; amounts from 1 up keep at most `digits` decimals. */
export function units(amount: bigint | string, decimals: number, digits = 6): string {
  const value = BigInt(amount)
  const negative = value < 0n
  const text = (negative ? -value : value).toString().padStart(decimals + 1, '0')
  const whole = text.slice(0, text.length - decimals)
  const fraction = decimals === 0 ? '' : text.slice(-decimals)
  // Amounts below 1 keep their first significant digits, larger ones a fixed number of decimals.
  const leading = /^0*/.exec(fraction)?.[0].length ?? 0
  const kept = fraction.slice(0, whole === '0' ? Math.min(decimals, leading + 4) : digits).replace(/0+$/, '')
  return `${negative ? '-' : ''}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}${kept === '' ? '' : `.${kept}`}`
}

/** A number of whole units, rounded for reading: two decimals from 1 up, two significant digits below. */
export function short(value: number): string {
  const size = Math.abs(value)
  if (size === 0) return '0'
  if (size >= 1) return value.toLocaleString('en', { minimumFractionDigits: 2, maximumFractionDigits: 2 })
  return value.toLocaleString('en', {
    maximumFractionDigits: Math.min(20, Math.ceil(-Math.log10(size)) + 1),
  })
}

/** An amount in smallest units as `short` writes it. */
export const shortAmount = (amount: bigint | string, decimals: number): string =>
  short(Number(amount) / 10 ** decimals)

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`

const two = (value: number) => String(value).padStart(2, '0')

/** Local time of day, `09:05:12`; `at` in ms since 1970. */
export function clockTime(at: number): string {
  const date = new Date(at)
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`
}

/** Local date and time, `2026-11-24 09:05:12`; `at` in ms since 1970. */
export function dateTime(at: number): string {
  const date = new Date(at)
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${clockTime(at)}`
}

/** `1 pool`, `2 pools`. */
export const count = (value: number, noun: string): string =>
  `${value.toLocaleString('en')} ${noun}${value === 1 ? '' : 's'}`

/** `1.2 MB`; in units of 1,000. */
export function fileSize(bytes: number): string {
  const names = ['B', 'kB', 'MB', 'GB', 'TB']
  const power = bytes < 1 ? 0 : Math.min(names.length - 1, Math.floor(Math.log10(bytes) / 3))
  return `${(bytes / 1_000 ** power).toLocaleString('en', { maximumFractionDigits: power === 0 ? 0 : 1 })} ${names[power]}`
}

/** The characters of a text that take room on a terminal. */
export const plain = (text: string): string => text.replace(/\x1b\[[0-9;]*m/g, '')

/** Columns as wide as their widest cell; `header` is printed dim above them. */
export function table(rows: readonly (readonly string[])[], header?: readonly string[]): string {
  const all = header ? [header.map((title) => color.dim(title)), ...rows] : rows
  const widths = all.reduce<number[]>(
    (known, row) => row.map((cell, index) => Math.max(known[index] ?? 0, plain(cell).length)),
    [],
  )
  return all
    .map((row) =>
      row
        .map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] as number) - plain(cell).length)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** Pads numbers on the left so that their decimal points are in one column. */
export function alignDecimals(numbers: readonly string[]): string[] {
  const whole = (text: string) => (text.includes('.') ? text.indexOf('.') : text.length)
  const width = Math.max(0, ...numbers.map(whole))
  const padded = numbers.map((text) => ' '.repeat(width - whole(text)) + text)
  const end = Math.max(0, ...padded.map((text) => text.length))
  return padded.map((text) => text.padEnd(end))
}

/** A coloured sign for a service's status; its shape differs as well. */
export function stateMark(status: string): string {
  if (status === 'healthy') return color.green('●')
  if (status === 'starting' || status === 'stopping') return color.cyan('◌')
  if (status === 'degraded' || status === 'backing-off') return color.yellow('◐')
  return color.red('○')
}
