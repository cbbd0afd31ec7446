/** The consequences of stopping a service, which decide what has to be confirmed. */
import { findService } from './find-service.ts'

/** A service as far as stopping it is concerned. */
interface Stoppable {
  readonly id: string
  readonly kind: string
  readonly cell: string
}

/** What stops with a service. */
export interface StopConsequences {
  /** Other services of the same process. */
  readonly alsoStops: readonly string[]
  /** Whether all others depend on it: hub, database, chain. */
  readonly isInfrastructure: boolean
}

/** What stopping `id` would mean. Throws `unknown-service`. */
export function stopConsequences(services: readonly Stoppable[], id: string): StopConsequences {
  // A cell may be named instead of a service.
  const target = services.find(({ cell }) => cell === id) ?? findService(services, id)
  return {
    alsoStops: services.filter((each) => each.cell === target.cell && each.id !== id).map((each) => each.id),
    isInfrastructure: target.kind === 'infrastructure',
  }
}
