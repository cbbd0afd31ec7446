/** Cases derived from a tool's JSON Schemas. */

type Schema = Readonly<Record<string, unknown>>

/** One value per field that the schema refuses. Fields that accept anything have none. */
export function wrongValues(schema: Schema): { field: string; value: unknown }[] {
  const properties = (schema.properties ?? {}) as Record<string, Schema>
  return Object.entries(properties).flatMap(([field, property]) => {
    const value = wrongFor(property)
    return value === undefined ? [] : [{ field, value }]
  })
}

const typesOf = (schema: Schema): string[] =>
  schema.anyOf || schema.oneOf
    ? ((schema.anyOf ?? schema.oneOf) as Schema[]).flatMap(typesOf)
    : [schema.type ?? []].flat().map(String)

function wrongFor(schema: Schema): unknown {
  const types = new Set(typesOf(schema))
  if (types.size === 0) return undefined
  if (schema.enum) return 'none of these'
  if (!types.has('object')) return { wrong: true }
  if (!types.has('array')) return ['wrong']
  return undefined
}

/** Names that carry their unit, or count things. */
const UNIT =
  /(Ms|Seconds|Minutes|Hours|Bytes|Percent|Bps|Native|Gwei|Wei|Units|Blocks?|Pools|Cycles|Count|Tokens|Services|Tools|Loans|Trades|Hops)$|^(total|limit|offset|nextOffset|block|fromBlock|toBlock|port|pid|restarts|attempts|failures|instances|pools|cycles|trades|loans|tools|blocks|nonce|tick|decimals|priority|lines|iterations|searched|found|found|leaks|isolations|sequence|basisPoints|points|seconds|hours|minutes|code|version|calls|errors|chainId)$/

/** Paths of numbers whose name carries no unit and that have no description. */
export function unitlessNumbers(...schemas: readonly Schema[]): string[] {
  const found: string[] = []
  const visit = (schema: Schema, path: string, name: string, described: boolean) => {
    const here = described || typeof schema.description === 'string'
    if (typesOf(schema).some((type) => type === 'number' || type === 'integer'))
      if (!here && !UNIT.test(name)) found.push(path)
    for (const [key, property] of Object.entries((schema.properties ?? {}) as Record<string, Schema>))
      visit(property, `${path}.${key}`, key, false)
    for (const key of ['items', 'additionalProperties'] as const)
      if (schema[key] && typeof schema[key] === 'object')
        visit(schema[key] as Schema, `${path}[]`, name, here)
    for (const option of [...((schema.anyOf ?? []) as Schema[]), ...((schema.oneOf ?? []) as Schema[])])
      if (option.type === 'object' || option.type === 'array') visit(option, path, name, here)
  }
  for (const schema of schemas) visit(schema, '', '', false)
  return found
}
