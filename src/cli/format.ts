/** How the command line shows things. */
import pc from 'picocolors'

export const color = pc

/** `1234567890` with 6 decimals is `1,234.56789`; long tails are cut to `digits` decimals. */
export function units(amount: bigint | string, decimals: number, digits = 6): string {
  const value = BigInt(amount)
  const negative = value < 0n
  const text = (negative ? -value : value).toString().padStart(decimals + 1, '0')
  const whole = text.slice(0, text.length - decimals)
  const fraction = decimals === 0 ? '' : text.slice(-decimals)
  // Small numbers keep their first significant digits, large ones a fixed few decimals.
  const leading = /^0*/.exec(fraction)?.[0].length ?? 0
  const kept = fraction.slice(0, whole === '0' ? Math.min(decimals, leading + 4) : digits).replace(/0+$/, '')
  return `${negative ? '-' : ''}${whole.replace(/\B(?=(\d{3})+$)/g, ',')}${kept === '' ? '' : `.${kept}`}`
}

export const seconds = (ms: number): string => `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`

/** Columns as wide as their widest cell. */
export function table(rows: readonly (readonly string[])[]): string {
  const plain = (text: string) => text.replace(/\x1b\[[0-9;]*m/g, '')
  const widths = rows.reduce<number[]>(
    (all, row) => row.map((cell, index) => Math.max(all[index] ?? 0, plain(cell).length)),
    [],
  )
  return rows
    .map((row) =>
      row
        .map((cell, index) => cell + ' '.repeat(Math.max(0, (widths[index] as number) - plain(cell).length)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

export function stateMark(status: string): string {
  if (status === 'healthy') return color.green('●')
  if (status === 'starting' || status === 'stopping') return color.cyan('◌')
  if (status === 'degraded' || status === 'backing-off') return color.yellow('◐')
  return color.red('○')
}
