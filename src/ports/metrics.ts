/** Metrics of running services and of the machine. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export interface HostResources {
  readonly cpuCount: number
  readonly loadAverage: readonly [number, number, number]
  readonly memoryTotal: number
  readonly memoryAvailable: number
  readonly uptimeSeconds: number
}

/** Errors: `service-unreachable` (retry later). */
export interface MetricsSource {
  scrape(service: string): Promise<readonly Sample[]>
  host(): HostResources
  /** CPU seconds used and resident bytes of a process; undefined where the platform does not tell or it is gone. */
  process(pid: number): { cpuSeconds: number; residentBytes: number } | undefined
}
