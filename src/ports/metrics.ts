/** Metrics of running services and of the machine. */

/** One sample of a Prometheus metric. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

/** Resources of the machine. Memory in bytes. */
export interface HostResources {
  readonly cpuCount: number
  readonly loadAverage: readonly [number, number, number]
  readonly memoryTotal: number
  readonly memoryAvailable: number
  readonly uptimeSeconds: number
}

/** Reads metrics. Errors: `service-unreachable` (retry later). */
export interface MetricsSource {
  /** The current samples of a service. */
  scrape(service: string): Promise<readonly Sample[]>
  host(): HostResources
  /**
   * CPU seconds used and resident bytes of a process; undefined if it has ended or the platform does not
   * report them.
   */
  process(pid: number): { cpuSeconds: number; residentBytes: number } | undefined
}
