/** How the page writes numbers and times. */

/** An integer amount with its decimals, shortened to what people read. */
export function amount(text: string, decimals: number, digits = 4): string {
  const value = Number(text) / 10 ** decimals
  return compact(value, digits)
}

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

export function ago(at: number, now: number): string {
  const seconds = Math.max(0, Math.round((now - at) / 1_000))
  if (seconds < 60) return `${seconds} s`
  if (seconds < 3_600) return `${Math.floor(seconds / 60)} min`
  return seconds < 86_400 ? `${Math.floor(seconds / 3_600)} h` : `${Math.floor(seconds / 86_400)} d`
}
