/** A service that calls for somebody else says for whom, and what they may do. Only services are believed. */

export interface OnBehalf {
  readonly name: string
  readonly scopes: readonly string[]
}

const NAME = 'x-kintsugi-caller'
const SCOPES = 'x-kintsugi-scopes'
const LONGEST_NAME = 100

export const onBehalfOf = ({ name, scopes }: OnBehalf): Record<string, string> => ({
  [NAME]: encodeURIComponent(name),
  [SCOPES]: scopes.join(' '),
})

/** For whom it is; undefined where a service calls for itself. */
export function calledFor(headers: Headers): OnBehalf | undefined {
  const name = headers.get(NAME)
  if (name === null) return undefined
  return {
    name: decodeURIComponent(name).slice(0, LONGEST_NAME),
    scopes: (headers.get(SCOPES) ?? '').split(' ').filter((scope) => scope !== ''),
  }
}
