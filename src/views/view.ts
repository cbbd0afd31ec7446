/** A view: how one noun of the engine is shown outside, by tools, by the REST API and on the page. */
import type * as z from 'zod'
import type { Answer } from '../mcp/define.ts'
import { toPlain } from '../std/json.ts'

/**
 * `schema`: the shape outside. `of`: makes it; amounts stay `bigint` and become decimal strings at the edge.
 */
export interface View<S extends z.ZodObject, A extends readonly unknown[]> {
  readonly schema: S
  of(...args: A): Answer<S>
}

/** Defines a view; `of` is checked against the schema. */
export const view = <S extends z.ZodObject, A extends readonly unknown[]>(
  schema: S,
  of: (...args: A) => Answer<S>,
): View<S, A> => ({ schema, of })

/** The JSON of a view, as clients receive it. */
export type Wire<V extends { readonly schema: z.ZodObject }> = z.input<V['schema']>

/** What a view returns, as JSON. */
export const toWire = <S extends z.ZodObject, A extends readonly unknown[]>(
  { of }: View<S, A>,
  ...args: A
): z.input<S> => toPlain(of(...args)) as z.input<S>
