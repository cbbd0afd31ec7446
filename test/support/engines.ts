/**
 * Fakes of the Docker and Kubernetes APIs, as far as the drivers use them; their containers are processes of
 * this machine.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'

interface Running {
  readonly name: string
  readonly labels: Record<string, string>
  readonly command: readonly string[]
  readonly env: NodeJS.ProcessEnv
  child: ChildProcess | undefined
  state: 'created' | 'running' | 'exited'
  exitCode: number | null
  /** Requests received, for assertions. */
  readonly body: Record<string, unknown>
}

const SIGNALS: Readonly<Record<string, number>> = { SIGKILL: 137, SIGTERM: 143, SIGABRT: 134 }

abstract class Engine {
  readonly running = new Map<string, Running>()
  readonly requests: string[] = []
  readonly streams = new Set<ServerResponse>()
  readonly #server: Server

  constructor() {
    this.#server = createServer((request, response) => {
      let text = ''
      request.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
      })
      request.on('end', () => {
        this.requests.push(`${request.method} ${request.url}`)
        this.answer(
          request,
          response,
          text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
        )
      })
    })
  }

  listen(at: string | number): Promise<number> {
    return new Promise((resolve) =>
      this.#server.listen(at as number, '127.0.0.1', () =>
        resolve((this.#server.address() as { port?: number }).port ?? 0),
      ),
    )
  }

  listenOn(path: string): Promise<void> {
    return new Promise((resolve) => this.#server.listen(path, resolve))
  }

  async close(): Promise<void> {
    for (const { child } of this.running.values()) child?.kill('SIGKILL')
    for (const stream of this.streams) stream.end()
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  /** Closes the event streams, as a restart of the engine does. */
  cut(): void {
    for (const stream of this.streams) stream.destroy()
  }

  protected abstract answer(
    request: IncomingMessage,
    response: ServerResponse,
    body: Record<string, unknown> | undefined,
  ): void
  protected abstract ended(one: Running): void

  protected run(one: Running): void {
    const [command, ...args] = one.command as [string, ...string[]]
    const child = spawn(command, args, {
      env: { ...process.env, ...one.env },
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    one.child = child
    one.state = 'running'
    child.on('exit', (code, signal) => {
      one.state = 'exited'
      one.exitCode = code ?? SIGNALS[signal as string] ?? 1
      this.ended(one)
    })
  }

  protected json(response: ServerResponse, status: number, value?: unknown): void {
    response.writeHead(status, { 'content-type': 'application/json' })
    response.end(value === undefined ? '' : JSON.stringify(value))
  }
}

export class DockerEngine extends Engine {
  protected answer(
    request: IncomingMessage,
    response: ServerResponse,
    body: Record<string, unknown> | undefined,
  ): void {
    const url = new URL(request.url as string, 'http://engine')
    const path = url.pathname.replace(/^\/v[\d.]+/, '')
    const [, name = '', verb = ''] = /^\/containers\/([^/]+)(?:\/(\w+))?$/.exec(path) ?? []
    if (path === '/events') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      this.streams.add(response)
      response.on('close', () => this.streams.delete(response))
    } else if (name === 'create')
      this.#create(url.searchParams.get('name') as string, body as Record<string, unknown>, response)
    else if (name === 'json') {
      const containers = [...this.running.values()].filter(({ state }) => state !== 'exited')
      this.json(
        response,
        200,
        containers.map(({ name: own, labels, state }) => ({
          Names: [`/${own}`],
          Labels: labels,
          State: state,
        })),
      )
    } else {
      const one = this.running.get(name)
      if (!one) this.json(response, 404, { message: `No such container: ${name}` })
      else if (verb === 'start') {
        this.run(one)
        this.json(response, 204)
      } else if (one.state !== 'running')
        this.json(response, 409, { message: `Container ${name} is not running` })
      else {
        one.child?.kill(verb === 'kill' ? (url.searchParams.get('signal') as NodeJS.Signals) : 'SIGTERM')
        this.json(response, 204)
      }
    }
  }

  #create(name: string, body: Record<string, unknown>, response: ServerResponse): void {
    if (this.running.has(name)) {
      this.json(response, 409, { message: `Conflict. The container name "/${name}" is already in use` })
      return
    }
    if (body.Image === 'missing') {
      this.json(response, 404, { message: 'No such image: missing' })
      return
    }
    const env = Object.fromEntries((body.Env as string[]).map((pair) => pair.split(/=(.*)/s).slice(0, 2)))
    this.running.set(name, {
      name,
      labels: body.Labels as Record<string, string>,
      command: body.Cmd as string[],
      env,
      child: undefined,
      state: 'created',
      exitCode: null,
      body,
    })
    this.json(response, 201, { Id: name, Warnings: [] })
  }

  protected ended(one: Running): void {
    // AutoRemove.
    this.running.delete(one.name)
    const event = {
      Type: 'container',
      Action: 'die',
      Actor: { ID: one.name, Attributes: { ...one.labels, exitCode: String(one.exitCode), name: one.name } },
    }
    for (const stream of this.streams) stream.write(`${JSON.stringify(event)}\n`)
  }
}

export class KubernetesApi extends Engine {
  #version = 1

  protected answer(
    request: IncomingMessage,
    response: ServerResponse,
    body: Record<string, unknown> | undefined,
  ): void {
    const url = new URL(request.url as string, 'http://api')
    const [, name] = /^\/api\/v1\/namespaces\/[^/]+\/pods(?:\/([^/]+))?$/.exec(url.pathname) ?? []
    if (request.method === 'GET' && url.searchParams.get('watch') === 'true') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.flushHeaders()
      this.streams.add(response)
      response.on('close', () => this.streams.delete(response))
    } else if (request.method === 'GET') {
      this.json(response, 200, {
        kind: 'PodList',
        apiVersion: 'v1',
        metadata: { resourceVersion: String(this.#version) },
        items: [...this.running.values()].map((one) => this.#pod(one)),
      })
    } else if (request.method === 'POST') this.#create(body as Record<string, unknown>, response)
    else {
      const one = name === undefined ? undefined : this.running.get(name)
      if (!one) {
        this.json(response, 404, {
          kind: 'Status',
          status: 'Failure',
          reason: 'NotFound',
          code: 404,
          message: `pods "${name}" not found`,
        })
        return
      }
      const grace = Number(
        (body as { gracePeriodSeconds?: number } | undefined)?.gracePeriodSeconds ??
          url.searchParams.get('gracePeriodSeconds') ??
          30,
      )
      if (one.state === 'running') one.child?.kill(grace === 0 ? 'SIGKILL' : 'SIGTERM')
      else this.#remove(one)
      this.json(response, 200, this.#pod(one))
    }
  }

  #create(body: Record<string, unknown>, response: ServerResponse): void {
    const { metadata, spec } = body as {
      metadata: { name: string; labels: Record<string, string> }
      spec: { containers: { image: string; command: string[]; env: { name: string; value: string }[] }[] }
    }
    const [container] = spec.containers as [(typeof spec.containers)[number]]
    if (this.running.has(metadata.name)) {
      this.json(response, 409, {
        kind: 'Status',
        status: 'Failure',
        reason: 'AlreadyExists',
        code: 409,
        message: `pods "${metadata.name}" already exists`,
      })
      return
    }
    const env = Object.fromEntries(container.env.map(({ name, value }) => [name, value]))
    const one: Running = {
      name: metadata.name,
      labels: metadata.labels,
      command: container.command,
      env,
      child: undefined,
      state: 'created',
      exitCode: null,
      body,
    }
    this.running.set(metadata.name, one)
    this.json(response, 201, this.#pod(one))
    this.run(one)
    this.#tell('ADDED', one)
  }

  #pod({ name, labels, state, exitCode }: Running) {
    const phase =
      state === 'exited'
        ? exitCode === 0
          ? 'Succeeded'
          : 'Failed'
        : state === 'running'
          ? 'Running'
          : 'Pending'
    return {
      kind: 'Pod',
      apiVersion: 'v1',
      metadata: { name, labels, resourceVersion: String(this.#version) },
      spec: { containers: [] },
      status: {
        phase,
        ...(exitCode === null
          ? {}
          : {
              containerStatuses: [
                {
                  name: 'process',
                  image: '',
                  imageID: '',
                  ready: false,
                  restartCount: 0,
                  state: { terminated: { exitCode } },
                },
              ],
            }),
      },
    }
  }

  #tell(type: string, one: Running): void {
    this.#version++
    for (const stream of this.streams) stream.write(`${JSON.stringify({ type, object: this.#pod(one) })}\n`)
  }

  #remove(one: Running): void {
    this.running.delete(one.name)
    this.#tell('DELETED', one)
  }

  protected ended(one: Running): void {
    this.#tell('MODIFIED', one)
  }
}
