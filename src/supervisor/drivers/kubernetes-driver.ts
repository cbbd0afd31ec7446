/**
 * Runs pods through the Kubernetes client. Each process of the fleet is one pod, which binds its ports
 * itself. The kubelet never restarts it: the reducer decides.
 */
import { CoreV1Api, type KubeConfig, type V1Pod, Watch } from '@kubernetes/client-node'
import { type ExitCause, exitCauseOfCode } from '../../fleet/exit-cause.ts'
import { messageOf } from '../../std/errors.ts'
import { ContainerDriver, type ContainerDriverOptions, RETRY_MS, STOP_SECONDS } from './container-driver.ts'
import type { ContainerPlan } from './container-plan.ts'

/** Options of the driver for Kubernetes. */
export interface KubernetesDriverOptions extends ContainerDriverOptions {
  readonly config: KubeConfig
  readonly namespace: string
}

const LABEL = 'kintsugi.dev'

/** A driver for Kubernetes. */
export class KubernetesDriver extends ContainerDriver<KubernetesDriverOptions> {
  readonly #api: CoreV1Api
  #watching: AbortController | undefined

  constructor(options: KubernetesDriverOptions) {
    super(options)
    this.#api = options.config.makeApiClient(CoreV1Api)
    void this.#watch()
  }

  protected async create(process: string, plan: ContainerPlan): Promise<void> {
    await this.#api.createNamespacedPod({ namespace: this.options.namespace, body: this.#pod(process, plan) })
  }

  protected async running(): Promise<Set<string>> {
    const { items } = await this.#api.listNamespacedPod({
      namespace: this.options.namespace,
      labelSelector: `${LABEL}/run=${this.options.run}`,
    })
    return new Set(items.filter((pod) => endOf(pod) === undefined).map(processOf))
  }

  kill(process: string): void {
    this.#delete(process, 0)
  }

  terminate(process: string): void {
    this.#delete(process, STOP_SECONDS)
  }

  end(): void {
    this.ended = true
    this.#watching?.abort()
  }

  #pod(process: string, { image, command, env, volumes, aliases, memoryBytes }: ContainerPlan): V1Pod {
    const mounts = volumes.map((volume, index) => {
      const [claim, path, mode] = volume.split(':') as [string, string, string?]
      return { name: `volume-${index}`, claim, path, readOnly: mode === 'ro' }
    })
    return {
      metadata: {
        name: this.nameOf(process),
        labels: {
          [`${LABEL}/run`]: this.options.run,
          [`${LABEL}/process`]: process,
          ...Object.fromEntries(aliases.map((alias) => [`${LABEL}/${alias.slice(0, 50)}`, 'yes'])),
        },
      },
      spec: {
        restartPolicy: 'Never',
        terminationGracePeriodSeconds: STOP_SECONDS,
        automountServiceAccountToken: false,
        securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
        containers: [
          {
            name: 'process',
            image,
            command: [...command],
            env: Object.entries(env).map(([name, value]) => ({ name, value })),
            resources: { limits: { memory: String(memoryBytes) } },
            securityContext: {
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
            },
            volumeMounts: mounts.map(({ name, path, readOnly }) => ({ name, mountPath: path, readOnly })),
          },
        ],
        volumes: mounts.map(({ name, claim }) => ({ name, persistentVolumeClaim: { claimName: claim } })),
      },
    }
  }

  #delete(process: string, gracePeriodSeconds: number): void {
    this.#api
      .deleteNamespacedPod({
        namespace: this.options.namespace,
        name: this.nameOf(process),
        gracePeriodSeconds,
      })
      .catch((error) => {
        // The pod does not exist any more.
        if ((error as { code?: number }).code !== 404) this.options.onError(messageOf(error))
      })
  }

  /** Follows exits by watching pods. Exits that were missed are found by listing them. */
  async #watch(): Promise<void> {
    const { config, namespace, run, onError } = this.options
    while (!this.ended) {
      try {
        const before = [...this.known]
        const { items, metadata } = await this.#api.listNamespacedPod({
          namespace,
          labelSelector: `${LABEL}/run=${run}`,
        })
        const running = new Set(items.filter((pod) => endOf(pod) === undefined).map(processOf))
        for (const process of before)
          if (!running.has(process) && items.some((pod) => processOf(pod) === process))
            this.gone(process, { kind: 'unobserved' })
        await new Promise<void>((resolve, reject) => {
          const query = {
            labelSelector: `${LABEL}/run=${run}`,
            ...(metadata?.resourceVersion ? { resourceVersion: metadata.resourceVersion } : {}),
          }
          new Watch(config)
            .watch(
              `/api/v1/namespaces/${namespace}/pods`,
              query,
              (phase: string, pod: V1Pod) => this.#seen(phase, pod),
              (error) => (error ? reject(error) : resolve()),
            )
            .then((controller) => {
              this.#watching = controller
            }, reject)
        })
      } catch (error) {
        if (!this.ended) onError(`cannot watch pods: ${messageOf(error)}`)
      }
      if (!this.ended) await new Promise((resolve) => setTimeout(resolve, RETRY_MS))
    }
  }

  #seen(phase: string, pod: V1Pod): void {
    const end = endOf(pod)
    if (phase !== 'DELETED' && end === undefined) return
    const process = processOf(pod)
    this.gone(process, end ?? { kind: 'removed', reason: 'deleted' })
    // A pod that has exited stays until it is deleted.
    if (phase !== 'DELETED') this.#delete(process, 0)
  }
}

const processOf = (pod: V1Pod): string => pod.metadata?.labels?.[`${LABEL}/process`] ?? ''

/** How a pod ended; undefined while it runs. */
function endOf({ status }: V1Pod): ExitCause | undefined {
  if (status?.phase !== 'Failed' && status?.phase !== 'Succeeded') return undefined
  const terminated = status.containerStatuses?.[0]?.state?.terminated
  if (terminated?.reason === 'OOMKilled') return { kind: 'out-of-memory' }
  return terminated
    ? exitCauseOfCode(terminated.exitCode)
    : { kind: 'removed', reason: status.reason ?? status.phase }
}
