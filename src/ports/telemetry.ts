/** Spans and metrics of operations, for an OpenTelemetry collector. */

/** `server`: an incoming request; `client`: an outgoing one. */
export type OperationKind = 'server' | 'client'

/** A running operation: one span. */
export interface Operation {
  /** W3C trace context, for the next hop. */
  readonly traceparent: string
  /** Ends the span. `error`: the code of the failure. */
  end(error?: string): void
}

/** Starts spans and exports them. */
export interface Telemetry {
  /** `parent`: the received `traceparent`, or null. Undefined attributes are omitted. */
  begin(
    kind: OperationKind,
    method: string,
    target: string,
    attributes: Readonly<Record<string, string | number | undefined>>,
    parent: string | null,
  ): Operation
  /** Exports the remaining spans and metrics. */
  close(): Promise<void>
}
