/** Numbers and times on the page. Times are local, with 24 hours. */

/** An integer amount in smallest units as a rounded decimal number. */
export function amount(text: string, decimals: number, digits = 4): string {
  const value = Number(text) / 10 ** decimals
  return compact(value, digits)
}

/**
 * A number with thousands separators and at most `digits` decimals; small ones keep three significant digits.
 */
export function compact(value: number, digits = 4): string {
  if (value === 0) return '0'
  const size = Math.abs(value)
  if (size >= 1_000) return value.toLocaleString('en', { maximumFractionDigits: size >= 100_000 ? 0 : 2 })
  if (size >= 100) return value.toLocaleString('en', { maximumFractionDigits: 2 })
  if (size >= 1) return value.toLocaleString('en', { maximumFractionDigits: digits })
  return value
    .toPrecision(3)
    .replace(/\.?0+$/, '')
    .replace(/e(.*)$/, ' × 10^$1')
}

export const percent = (share: number): string =>
  `${(share * 100).toFixed(share > 0 && share < 0.01 ? 2 : 1)} %`

export const shortHash = (hash: string): string => `${hash.slice(0, 8)}…${hash.slice(-4)}`

/** A route as people scan it: one cycle in full, several by their number; `full` is the whole text. */
export function shortRoute(route: string): { short: string; full: string | undefined } {
  const cycles = route.split(' + ')
  if (cycles.length === 1) return { short: route || 'nonce released', full: undefined }
  const pools = route.split(' (').length - 1
  return { short: `${cycles.length} cycles, ${pools} swaps from ${cycles[0]?.split(' ')[0]}`, full: route }
}

/** The time since `at` in its largest whole unit; both in ms since 1970. */
export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}

const two = (value: number) => String(value).padStart(2, '0')
const date = (at: Date) => `${two(at.getMonth() + 1)}-${two(at.getDate())}`

/** `2026-11-24 20:05:09`; `at` in ms since 1970. */
export function dateTime(at: number): string {
  const time = new Date(at)
  return `${time.getFullYear()}-${date(time)} ${clock(time, true)}`
}

const clock = (at: Date, withSeconds: boolean) =>
  `${two(at.getHours())}:${two(at.getMinutes())}${withSeconds ? `:${two(at.getSeconds())}` : ''}`

/**
 * Labels of a time axis (seconds since 1970, `step` apart): the time of day, and below it the date if it
 * changes.
 */
export function axisTimes(splits: readonly number[], step: number): string[] {
  let shown = ''
  return splits.map((seconds) => {
    const at = new Date(seconds * 1_000)
    const day = date(at)
    const label = clock(at, step < 60) + (day === shown ? '' : `\n${day}`)
    shown = day
    return label
  })
}
