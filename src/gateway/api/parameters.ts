/** Parameters of a request to the REST API, checked against its OpenAPI document. */
import type { HonoRequest } from 'hono'
import { KintsugiError } from '../../std/errors.ts'
import { onlyKnown, shown, wholeNumber } from '../../std/query.ts'
import { type Parameter, parametersOf } from './openapi.ts'

/** The values of a request by parameter name; defaults are filled in. */
export interface ParameterValues {
  /** An integer parameter. */
  whole(name: string): number
  /** A text parameter; undefined if it is not given. */
  text(name: string): string | undefined
  /** A parameter of the path. */
  inPath(name: string): string
}

/**
 * The parameters of a request. `route`: as in `API_ROUTES`. Throws `bad-argument` for a parameter that is
 * unknown, given twice, or outside its type, range or values.
 */
export function readParameters(route: string, request: HonoRequest): ParameterValues {
  const described = parametersOf(route)
  const given = request.queries()
  onlyKnown(
    Object.keys(given),
    described.filter((each) => each.in === 'query').map(({ name }) => name),
  )
  const values = new Map<string, string | number>()
  for (const parameter of described) {
    const { name } = parameter
    const value = parameter.in === 'path' ? request.param(name) : onlyOne(name, given[name])
    const checked = check(parameter, value)
    if (checked !== undefined) values.set(name, checked)
  }
  const text = (name: string) => {
    const value = values.get(name)
    return value === undefined ? undefined : String(value)
  }
  return { whole: (name) => Number(values.get(name)), text, inPath: (name) => text(name) ?? '' }
}

function onlyOne(name: string, values: readonly string[] = []): string | undefined {
  if (values.length > 1)
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected one value (got ${values.slice(0, 4).map(shown).join(', ')})`,
    )
  return values[0]
}

function check({ name, schema }: Parameter, value: string | undefined): string | number | undefined {
  if (schema.type === 'integer')
    return wholeNumber(name, value, {
      min: schema.minimum,
      max: schema.maximum,
      defaultValue: schema.default,
    })
  if (value === undefined) return undefined
  if (schema.enum && !schema.enum.includes(value))
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected ${schema.enum.join(', ')} (got ${shown(value)})`,
    )
  if (value.includes('\0'))
    throw new KintsugiError(
      'bad-argument',
      `${name}: expected text without NUL characters (got ${shown(value)})`,
    )
  return value
}
