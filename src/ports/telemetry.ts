/** Spans and metrics of what is done, for who collects them. */

/** `server`: something was asked of us; `client`: we ask somebody. */
export type OperationKind = 'server' | 'client'

export interface Operation {
  /** W3C trace context, for the next hop. */
  readonly traceparent: string
  /** `error`: its code, where it failed. */
  end(error?: string): void
}

export interface Telemetry {
  /** `parent`: the `traceparent` that came with it, or null. Attributes that are undefined are left out. */
  begin(
    kind: OperationKind,
    method: string,
    target: string,
    attributes: Readonly<Record<string, string | number | undefined>>,
    parent: string | null,
  ): Operation
  /** Sends what is left. */
  close(): Promise<void>
}
