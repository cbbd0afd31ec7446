/** Finding a service by its id. */
import { KintsugiError } from '../std/errors.ts'
import { nearest } from '../std/nearest.ts'

/** The service with this id. Throws `unknown-service`, with the closest id as its hint. */
export function findService<T extends { readonly id: string }>(services: readonly T[], id: string): T {
  const found = services.find((each) => each.id === id)
  if (found) return found
  const [suggestion] = nearest(
    id,
    services.map((each) => each.id),
  )
  throw new KintsugiError('unknown-service', `service: unknown service ${JSON.stringify(id.slice(0, 100))}`, {
    hint: suggestion ? `did you mean ${suggestion}?` : 'mcp-health-check__health lists the services',
  })
}
