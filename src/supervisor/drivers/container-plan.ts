/** A process of the fleet as a container or a pod. */
export interface ContainerPlan {
  readonly image: string
  readonly command: readonly string[]
  readonly env: Readonly<Record<string, string>>
  /** `host path or volume:path in it[:ro]`; with Kubernetes `claim:path[:ro]`. */
  readonly volumes: readonly string[]
  readonly network: string
  /** Names under which others reach it. */
  readonly aliases: readonly string[]
  readonly memoryBytes: number
}
