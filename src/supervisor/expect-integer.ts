/** Checks of requests to the supervisor. */
import { KintsugiError } from '../std/errors.ts'

/** Throws `bad-argument` unless `value` is an integer from `min` to `max`. */
export function expectInteger(name: string, value: number, min: number, max: number): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected an integer from ${min} to ${max} (got ${value})`,
    )
}
