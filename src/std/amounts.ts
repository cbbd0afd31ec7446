/** Amounts of tokens as people read and write them. Exact: no floating point. */

/**
 * Whole tokens as text with thousands separators, from smallest units: six decimals, or six significant
 * digits below one.
 */
export function formatAmount(raw: bigint, decimals: number): string {
  const negative = raw < 0n
  const digits = String(negative ? -raw : raw).padStart(decimals + 1, '0')
  const whole = digits.slice(0, digits.length - decimals)
  const fraction = digits.slice(digits.length - decimals)
  const leading = whole === '0' ? (/^0*/.exec(fraction)?.[0].length ?? 0) : 0
  const shown = fraction.slice(0, leading + 6).replace(/0+$/, '')
  const grouped = whole.replace(/\B(?=(\d{3})+$)/g, ',')
  return `${negative ? '-' : ''}${grouped}${shown === '' ? '' : `.${shown}`}`
}

/**
 * Smallest units from whole tokens as decimal text ("10", "10.5"); undefined for more decimals than the token
 * has.
 */
export function parseAmount(text: string, decimals: number): bigint | undefined {
  const [whole = '', fraction = ''] = text.split('.')
  const kept = fraction.replace(/0+$/, '')
  if (kept.length > decimals) return undefined
  return BigInt(whole + kept.padEnd(decimals, '0'))
}
