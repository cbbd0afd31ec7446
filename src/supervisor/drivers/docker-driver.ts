/**
 * Runs containers through the socket of Docker's engine (API 1.43). Each process of the fleet is one
 * container, which binds its ports itself.
 */
import http from 'node:http'
import { type ExitCause, exitCauseOfCode } from '../../fleet/exit-cause.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'
import { jsonLines } from '../links/protocol.ts'
import { ContainerDriver, type ContainerDriverOptions, RETRY_MS, STOP_SECONDS } from './container-driver.ts'
import type { ContainerPlan } from './container-plan.ts'

/** Options of the driver for Docker. */
export interface DockerDriverOptions extends ContainerDriverOptions {
  /** By default /var/run/docker.sock. */
  readonly socketPath: string
}

const API = '/v1.43'
const LABEL = 'kintsugi'

interface EngineEvent {
  readonly Action: string
  readonly Actor: { readonly Attributes: Readonly<Record<string, string>> }
}

/** A driver for Docker. */
export class DockerDriver extends ContainerDriver<DockerDriverOptions> {
  /** Processes that were killed before their container was created. */
  readonly #doomed = new Set<string>()
  #events: http.ClientRequest | undefined

  constructor(options: DockerDriverOptions) {
    super(options)
    this.#listen()
  }

  kill(process: string): void {
    this.#doomed.add(process)
    this.#ifPresent(() => this.#request('POST', `/containers/${this.nameOf(process)}/kill?signal=SIGKILL`))
  }

  terminate(process: string): void {
    this.#ifPresent(() => this.#request('POST', `/containers/${this.nameOf(process)}/stop?t=${STOP_SECONDS}`))
  }

  end(): void {
    this.ended = true
    this.#events?.destroy()
  }

  protected async create(
    process: string,
    { image, command, env, volumes, network, aliases, memoryBytes }: ContainerPlan,
  ): Promise<void> {
    const name = this.nameOf(process)
    await this.#request('POST', `/containers/create?name=${name}`, {
      Image: image,
      Cmd: command,
      Env: Object.entries(env).map(([key, value]) => `${key}=${value}`),
      Labels: { [`${LABEL}.run`]: this.options.run, [`${LABEL}.process`]: process },
      HostConfig: {
        AutoRemove: true,
        Binds: volumes,
        NetworkMode: network,
        Memory: memoryBytes,
        Init: true,
        ReadonlyRootfs: true,
        CapDrop: ['ALL'],
        SecurityOpt: ['no-new-privileges'],
      },
      NetworkingConfig: { EndpointsConfig: { [network]: { Aliases: aliases } } },
    })
    await this.#request('POST', `/containers/${name}/start`)
    if (this.#doomed.has(process)) this.kill(process)
  }

  /**
   * Follows exits by the engine's events. Exits that were missed are found by listing the running containers.
   */
  #listen(): void {
    const filters = encodeURIComponent(
      JSON.stringify({ label: [`${LABEL}.run=${this.options.run}`], event: ['die'] }),
    )
    const again = () => {
      if (!this.ended) setTimeout(() => this.#listen(), RETRY_MS)
    }
    const request = http.get(
      { socketPath: this.options.socketPath, path: `${API}/events?filters=${filters}` },
      (response) => {
        this.#reconcile().catch((error) => this.options.onError(messageOf(error)))
        response.setEncoding('utf8')
        response.on(
          'data',
          jsonLines<EngineEvent>(({ Action, Actor }) => {
            const process = Actor.Attributes[`${LABEL}.process`]
            if (Action === 'die' && process !== undefined)
              this.gone(process, exitCauseOfCode(Number(Actor.Attributes.exitCode)))
          }),
        )
        response.on('close', again)
      },
    )
    request.on('error', (error) => {
      this.options.onError(`cannot follow the engine's events: ${error.message}`)
      again()
    })
    this.#events = request
  }

  async #reconcile(): Promise<void> {
    const before = [...this.known]
    const running = await this.running()
    for (const process of before) if (!running.has(process)) this.gone(process, { kind: 'unobserved' })
  }

  protected async running(): Promise<Set<string>> {
    const filters = encodeURIComponent(
      JSON.stringify({
        label: [`${LABEL}.run=${this.options.run}`],
        status: ['created', 'running', 'paused', 'restarting'],
      }),
    )
    const containers = (await this.#request('GET', `/containers/json?all=1&filters=${filters}`)) as {
      Labels: Record<string, string>
    }[]
    return new Set(containers.flatMap(({ Labels }) => Labels[`${LABEL}.process`] ?? []))
  }

  protected override gone(process: string, cause: ExitCause): void {
    this.#doomed.delete(process)
    super.gone(process, cause)
  }

  /** Performs a request; the container may not exist any more. */
  #ifPresent(work: () => Promise<unknown>): void {
    work().catch((error) => {
      if (!(error instanceof KintsugiError && (error.code === 'not-found' || error.code === 'conflict')))
        this.options.onError(messageOf(error))
    })
  }

  #request(method: 'GET' | 'POST', path: string, body?: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const request = http.request(
        {
          socketPath: this.options.socketPath,
          method,
          path: `${API}${path}`,
          headers: { 'content-type': 'application/json' },
          timeout: 30_000,
        },
        (response) => {
          let text = ''
          response.setEncoding('utf8').on('data', (chunk: string) => {
            text += chunk
          })
          response.on('end', () => {
            const status = response.statusCode ?? 0
            if (status < 400) resolve(text === '' ? undefined : JSON.parse(text))
            else
              reject(
                new KintsugiError(
                  status === 404 ? 'not-found' : status === 409 ? 'conflict' : 'engine-failed',
                  `the engine answered ${status}: ${messageIn(text)}`,
                  {
                    retry: 'later',
                  },
                ),
              )
          })
        },
      )
      request.on('timeout', () => request.destroy(new Error('no answer from the engine')))
      request.on('error', (error) =>
        reject(
          new KintsugiError('engine-unreachable', `${this.options.socketPath}: ${error.message}`, {
            retry: 'later',
            hint: 'is Docker running, and may this user use its socket?',
          }),
        ),
      )
      request.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }
}

const messageIn = (text: string): string => {
  try {
    return (JSON.parse(text) as { message: string }).message
  } catch {
    return text.slice(0, 200)
  }
}
