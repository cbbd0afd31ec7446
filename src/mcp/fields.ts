/**
 * Fields that many tools share. Inside handlers amounts are `bigint` in the token's smallest unit and
 * addresses are lower case; outside, amounts are decimal strings.
 */
import * as z from 'zod'

/** A token by symbol or address; handlers resolve it by `market.token(text)`. */
export const token = () =>
  z
    .string()
    .trim()
    .min(1)
    .max(64)
    .describe('a token by symbol (ETH, WETH, USDC; ETH and MATIC name their wrapped tokens) or by address')

/** An address, lower case in handlers. */
export const address = () =>
  z.codec(
    z.string().regex(/^0x[0-9a-fA-F]{40}$/, 'expected an address: 0x and 40 hexadecimal digits'),
    z.custom<`0x${string}`>(),
    { decode: (text) => text.toLowerCase() as `0x${string}`, encode: (text) => text },
  )

/** The address of a pool; handlers resolve it by `market.pool(address)`. */
export const pool = () => address().describe('the address of a pool, from list_pools or liquidity_map')

/** A service by id; handlers resolve it by `fleet.service(id)`. */
export const service = () =>
  z.string().trim().min(1).max(100).describe('the id of a service, such as mcp_price_feed_server')

/** Kinds of lenders. */
export const lender = () => z.enum(['aave-v3', 'balancer-v2', 'uniswap-v3', 'uniswap-v2', 'own-capital'])

const RAW = /^\d{1,78}$/
const SIGNED_RAW = /^-?\d{1,78}$/
/** Smallest units, or whole tokens with a decimal point, a symbol, or both. */
const AMOUNT = /^\s*(\d{1,78}|\d{1,60}(\.\d{1,36})?\s*[A-Za-z][\w.]{0,31}|\d{1,60}\.\d{1,36})\s*$/

const bigintOf = (pattern: RegExp, expected: string) =>
  z.codec(z.string().regex(pattern, expected), z.bigint(), {
    decode: (text) => BigInt(text),
    encode: (value) => value.toString(),
  })

/** A non-negative integer in smallest units (such as wei); a decimal string outside. */
export const rawAmount = () =>
  bigintOf(RAW, 'expected a non-negative integer as a decimal string, in the smallest unit')

/** An integer in smallest units. */
export const signedRawAmount = () =>
  bigintOf(SIGNED_RAW, 'expected an integer as a decimal string, in the smallest unit')

const amountFields = new WeakMap<z.ZodType, string>()

/**
 * An amount of the token that the field `tokenField` of the same input names, as people write it: smallest
 * units ("10000000000000000000"), or whole tokens with a decimal point ("10.5") or a symbol ("10 ETH"). The
 * kit converts it, so that handlers receive smallest units. The server needs the port `market`.
 */
export function amount(tokenField: string) {
  const field = z
    .codec(
      z
        .string()
        .regex(
          AMOUNT,
          'expected smallest units ("10000000000000000000"), or whole tokens with a decimal point ("10.5") or a symbol ("10 ETH")',
        ),
      z.bigint(),
      {
        decode: (text, context) => {
          if (RAW.test(text.trim()) && BigInt(text) > 0n) return BigInt(text)
          // The kit converts whole tokens beforehand if it knows the token.
          context.issues.push({
            code: 'custom',
            input: text,
            message: /^\s*0+\s*$/.test(text)
              ? 'expected more than 0'
              : `expected smallest units, since \`${tokenField}\` names no token that whole tokens could be of`,
          })
          return z.NEVER
        },
        encode: (value) => value.toString(),
      },
    )
    .describe(
      `an amount of \`${tokenField}\`: smallest units ("10000000000000000000"), or whole tokens with a decimal point ("10.5") or a symbol ("10 ETH")`,
    )
  amountFields.set(field, tokenField)
  return field
}

/** The field that names the token of an amount field; undefined for any other field. */
export function tokenFieldOf(field: z.ZodType): string | undefined {
  for (let at: z.ZodType | undefined = field; at; at = innerOf(at)) {
    const found = amountFields.get(at)
    if (found !== undefined) return found
  }
  return undefined
}

const innerOf = (field: z.ZodType) => (field._zod.def as unknown as { innerType?: z.ZodType }).innerType

const TOKEN_AMOUNT = z
  .object({
    raw: signedRawAmount().describe('in smallest units'),
    amount: z.string().describe('in whole tokens, with the symbol'),
  })
  .meta({ id: 'TokenAmount' })

/**
 * An amount as answers carry it: `market.amount(token, raw)` makes one. Published once per tool, as
 * `#/$defs/TokenAmount`.
 */
export const tokenAmount = () => TOKEN_AMOUNT

/** Basis points: hundredths of a percent. */
export const bps = (max = 10_000) =>
  z.int().min(0).max(max).describe(`basis points, hundredths of a percent (0 to ${max})`)

/** How far back, in hours. */
export const hours = (max: number, byDefault: number) =>
  z.number().min(0.01).max(max).default(byDefault).describe(`how far back, in hours (up to ${max})`)

/** How far back, in blocks. */
export const blocks = (max: number, byDefault: number) =>
  z.int().min(1).max(max).default(byDefault).describe(`how far back, in blocks (1 to ${max})`)

/**
 * The longest cycle to search, in pools. The default is 3, where the detector searches 4: a tool builds the
 * index of cycles for each call, and that of 4 hops takes 15 times as long on a large market
 * (docs/decisions/0021).
 */
export const maxHops = () =>
  z.int().min(2).max(4).default(3).describe('the longest cycle, in pools (2 to 4; the detector uses 4)')

/** The id of a decision. */
export const decisionId = () =>
  z
    .string()
    .regex(/^opp_[0-9a-f]{20}$/, 'expected an id such as opp_ and 20 hexadecimal digits')
    .describe('the id of a decision, from opportunities or scan_statistics')

/** A block number. */
export const block = () => z.int().describe('block number')

/** A duration in ms; wire and handler agree. */
export const durationMs = () => z.number().describe('in ms')

/**
 * A point in time as two fields: `name` in ms since 1970, and `nameIso` as ISO 8601 text. `at(name, ms)`
 * makes them.
 */
export function time<const K extends string>(name: K) {
  return {
    [name]: z.int().describe('ms since 1970'),
    [`${name}Iso`]: z.string(),
  } as { readonly [P in K]: z.ZodInt } & { readonly [P in K as `${P}Iso`]: z.ZodString }
}

/** The two fields of `time(name)` for a point in time. */
export function at<const K extends string>(name: K, ms: number) {
  return { [name]: Math.round(ms), [`${name}Iso`]: new Date(ms).toISOString() } as {
    readonly [P in K]: number
  } & {
    readonly [P in K as `${P}Iso`]: string
  }
}

/** A point in time that may be missing, as `time`. */
export function maybeTime<const K extends string>(name: K) {
  return {
    [name]: z.int().nullable().describe('ms since 1970'),
    [`${name}Iso`]: z.string().nullable(),
  } as { readonly [P in K]: z.ZodNullable<z.ZodInt> } & {
    readonly [P in K as `${P}Iso`]: z.ZodNullable<z.ZodString>
  }
}

/** The two fields of `maybeTime(name)`. */
export function maybeAt<const K extends string>(name: K, ms: number | null | undefined) {
  const known = ms !== null && ms !== undefined
  return {
    [name]: known ? Math.round(ms) : null,
    [`${name}Iso`]: known ? new Date(ms).toISOString() : null,
  } as {
    readonly [P in K]: number | null
  } & { readonly [P in K as `${P}Iso`]: string | null }
}

/** A number rounded to `digits` significant digits, without float noise. */
export const rounded = (value: number, digits = 6): number =>
  Number.isFinite(value) ? Number(value.toPrecision(digits)) : value

/** The part of a list: the fields `limit` and `offset` of an input. */
export const page = (max: number, byDefault: number) => ({
  limit: z.int().min(1).max(max).default(byDefault).describe(`at most this many (1 to ${max})`),
  offset: z.int().min(0).max(1_000_000).default(0).describe('skip this many first'),
})

/** The fields of an output that carries part of a list under `name`. `paginate` and `pageOf` make them. */
export function paged<const K extends string, T extends z.ZodType>(name: K, item: T) {
  return {
    total: z.int(),
    nextOffset: z.int().nullable().describe('null on the last page'),
    [name]: z.array(item),
  } as { readonly total: z.ZodInt; readonly nextOffset: z.ZodNullable<z.ZodInt> } & {
    readonly [P in K]: z.ZodArray<T>
  }
}

/** The part of a list, as `page` reads it. */
export interface Page {
  readonly limit: number
  readonly offset: number
}

/** One page of a whole list. */
export function paginate<const K extends string, T>(name: K, all: readonly T[], { limit, offset }: Page) {
  return pageOf(name, all.slice(offset, offset + limit), all.length, { limit, offset })
}

/** A page that was read as such, of a list of `total`. */
export function pageOf<const K extends string, T>(
  name: K,
  items: readonly T[],
  total: number,
  { offset }: Pick<Page, 'offset'> & Partial<Page>,
) {
  const next = offset + items.length
  return { total, nextOffset: next < total && items.length > 0 ? next : null, [name]: items } as {
    readonly total: number
    readonly nextOffset: number | null
  } & { readonly [P in K]: readonly T[] }
}
