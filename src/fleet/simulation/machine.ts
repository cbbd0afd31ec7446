/** A process of a simulated machine. */
export interface SimulatedProcess {
  readonly name: string
  /** The unit that it was spawned for; null for a spare. */
  readonly unit: string | null
  readonly bornAt: number
  services: string[]
  /** Services whose exclusive work waits for `begin`. */
  readonly held: Set<string>
  /** It answers 503 for a quarantined unit. */
  standsIn: boolean
  hungAt: number | undefined
  draining: boolean
  /** It lost a connection and does not restore it. */
  stuck: boolean
  /** Its messages are lost until then. */
  deafUntil: number
}
