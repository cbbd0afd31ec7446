/**
 * Connecting third-party servers and reviewing their definitions: checks and orders without input or output.
 */
import { CATALOGUE } from '../../fleet/catalogue/catalogue.ts'
import type { ConnectedServer, ConnectionTransport } from '../../ports/connections.ts'
import { KintsugiError } from '../../std/errors.ts'
import type { JudgedDefinition, OfferKind, PinState } from '../../trust/pins.ts'

/**
 * The transport that a request names. Throws `bad-argument` unless exactly one of `url` and `command` is
 * given, and `conflict` if `name` is a service of this fleet.
 */
export function requestedTransport(
  name: string,
  { url, command, args }: { url?: string | undefined; command?: string | undefined; args: readonly string[] },
): ConnectionTransport {
  if (CATALOGUE.some(({ id }) => id === name))
    throw new KintsugiError('conflict', `name: ${name} is a service of this fleet`, {
      hint: 'choose another name',
    })
  if (url !== undefined && command === undefined) return { kind: 'http', url }
  if (command !== undefined && url === undefined) return { kind: 'stdio', command, args }
  throw new KintsugiError('bad-argument', 'url, command: expected exactly one of them')
}

/** A definition, with the server that offers it. */
export type OfferedDefinition = JudgedDefinition & { readonly server: string }

/**
 * The definitions of these servers that match every given field; those that need a decision first: changed,
 * then new, then approved.
 */
export function definitionsToReview(
  servers: readonly ConnectedServer[],
  wanted: { server?: string | undefined; kind?: OfferKind | undefined; state?: PinState | undefined },
): OfferedDefinition[] {
  const order: readonly PinState[] = ['changed', 'new', 'approved']
  return servers
    .flatMap(({ name: server, items }) => items.map((item) => ({ ...item, server })))
    .filter(({ server }) => wanted.server === undefined || server === wanted.server)
    .filter(({ kind }) => wanted.kind === undefined || kind === wanted.kind)
    .filter(({ state }) => wanted.state === undefined || state === wanted.state)
    .sort((a, b) => order.indexOf(a.state) - order.indexOf(b.state))
}

/**
 * The reviewed definition that an approval names; null without a name, for every definition that is not
 * flagged. Throws `bad-argument` if only one of `name` and `hash` is given.
 */
export function reviewed({
  kind,
  name,
  hash,
}: {
  kind: OfferKind
  name?: string | undefined
  hash?: string | undefined
}) {
  if (name === undefined && hash === undefined) return null
  if (name !== undefined && hash !== undefined) return { kind, name, hash }
  throw new KintsugiError('bad-argument', 'name, hash: expected both or neither', {
    hint: 'list_connected_definitions shows the hashes',
  })
}
