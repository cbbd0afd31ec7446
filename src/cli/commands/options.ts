/** Options and argument parsers that several commands share. */
import { InvalidArgumentError, Option } from 'commander'

/** Parses a whole number from `min` to `max`. */
export const whole = (min: number, max: number) => (text: string) => {
  const value = Number(text)
  if (!/^\d+$/.test(text) || value < min || value > max)
    throw new InvalidArgumentError(`expected a whole number from ${min} to ${max}`)
  return value
}

export const json = () => new Option('--json', 'print data as JSON')
export const data = () => new Option('--data <dir>', 'data folder').env('KINTSUGI_HOME').default('.kintsugi')
