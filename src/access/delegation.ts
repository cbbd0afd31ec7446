/** Headers by which one service acts for another caller; accepted from services only. */

/** The caller that a service acts for. */
export interface DelegatedCaller {
  readonly name: string
  readonly scopes: readonly string[]
}

const NAME_HEADER = 'x-kintsugi-caller'
const SCOPES_HEADER = 'x-kintsugi-scopes'
const MAX_NAME_LENGTH = 100

/** The headers of a call for `caller`. */
export const delegationHeaders = ({ name, scopes }: DelegatedCaller): Record<string, string> => ({
  [NAME_HEADER]: encodeURIComponent(name),
  [SCOPES_HEADER]: scopes.join(' '),
})

/** The caller that these headers name; undefined if a service acts for itself. */
export function delegatedCaller(headers: Headers): DelegatedCaller | undefined {
  const name = headers.get(NAME_HEADER)
  if (name === null) return undefined
  return {
    name: decodeURIComponent(name).slice(0, MAX_NAME_LENGTH),
    scopes: (headers.get(SCOPES_HEADER) ?? '').split(' ').filter((scope) => scope !== ''),
  }
}
