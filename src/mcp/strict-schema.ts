/** Schemas that refuse undeclared fields at every depth. */
import * as z from 'zod'

/**
 * A copy of the schema in which every object refuses undeclared fields, at every depth; loose objects stay
 * loose.
 */
export function strictDeep<T extends z.ZodType>(schema: T): T {
  return strictened(schema) as T
}

function strictened(schema: z.core.$ZodType): z.core.$ZodType {
  const def = schema._zod.def as z.core.$ZodTypeDef & Record<string, unknown>
  const copy = (change: object) => z.core.clone(schema, { ...def, ...change }, { parent: true })
  const inner = (key: string) => copy({ [key]: strictened(def[key] as z.core.$ZodType) })
  switch (def.type) {
    case 'object': {
      const shape = Object.entries(def.shape as Record<string, z.core.$ZodType>)
      return copy({
        shape: Object.fromEntries(shape.map(([name, field]) => [name, strictened(field)])),
        catchall: def.catchall ?? z.never(),
      })
    }
    case 'array':
      return inner('element')
    case 'record':
      return inner('valueType')
    case 'union':
      return copy({ options: (def.options as z.core.$ZodType[]).map(strictened) })
    case 'optional':
    case 'nullable':
    case 'default':
    case 'prefault':
    case 'readonly':
    case 'nonoptional':
    case 'catch':
      return inner('innerType')
    default:
      return schema
  }
}
