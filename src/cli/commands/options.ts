/** Options and argument parsers that several commands share. */
import { InvalidArgumentError, Option } from 'commander'

/** Parses a whole number from `min` to `max`. */
export const whole = (min: number, max: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
  return value
}

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** Parses a time in the past, `10m` or an ISO date, to ms since 1970. */
export const since = (now: () => number) => (text: string) => {
  const [, amount, unit] = /^(\d+)([smhd])$/.exec(text) ?? []
  const at =
    amount !== undefined && unit !== undefined
      ? now() - Number(amount) * (UNITS_MS[unit] as number)
      : /^\d{4}-/.test(text)
        ? Date.parse(text)
        : Number.NaN
  if (Number.isNaN(at))
    throw new InvalidArgumentError('expected 90s, 10m, 2h or 3d, or an ISO date such as 2026-11-24T09:05:12Z')
  return at
}

export const json = () => new Option('--json', 'print data as JSON')
export const data = () => new Option('--data <dir>', 'data folder').env('KINTSUGI_HOME').default('.kintsugi')
