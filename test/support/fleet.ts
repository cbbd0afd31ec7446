/** A whole fleet for a test, started by the command line, with its own data folder and shifted ports. */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { askSupervisor } from '../../src/adapters/fleet/control-client.ts'
import type { StatusView, TradeView } from '../../src/gateway/api/schema.ts'

const root = join(import.meta.dirname, '../..')
export const cli = join(root, 'bin/kintsugi.mjs')

type Page<T> = { readonly next: string | null; readonly total: number } & Record<string, readonly T[]>

/** No external services: a fleet of a test runs on embedded parts, whatever the environment names. */
export const NO_SERVICES = { DATABASE_URL: '', REDIS_URL: '', AMQP_URL: '' } as const

export interface Outcome {
  code: number | null
  stdout: string
  stderr: string
}

/**
 * Waits until all units of the fleet behind a control socket are healthy and a spare is warm, as between two
 * failures in production; at most 10 s.
 */
export async function settled(control: string): Promise<void> {
  for (let attempt = 0; attempt < 400; attempt++) {
    const { services, spares } = await askSupervisor(control, { op: 'status' })
    if (spares.warm > 0 && services.every((service) => service.status === 'healthy')) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

/** Runs a command of the command line until it exits. */
export async function kintsugi(args: readonly string[], env: NodeJS.ProcessEnv = {}): Promise<Outcome> {
  const child = spawn(process.execPath, [cli, ...args], {
    env: { ...process.env, NO_COLOR: '1', KINTSUGI_HOME: undefined, ...env } as NodeJS.ProcessEnv,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const [stdout, stderr] = [collect(child, 'stdout'), collect(child, 'stderr')]
  const [code] = (await once(child, 'close')) as [number | null]
  return { code, stdout: stdout(), stderr: stderr() }
}

function collect(child: ChildProcess, stream: 'stdout' | 'stderr'): () => string {
  let text = ''
  child[stream]?.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
  })
  return () => text
}

export class Fleet {
  readonly data: string
  readonly offset: number
  /** Working directory, in which `.env` is read. */
  cwd = root
  child: ChildProcess | undefined
  output: () => string = () => ''
  readonly #args: readonly string[]
  readonly #env: NodeJS.ProcessEnv

  /** All ports must be below those of outgoing connections (from 32768 on Linux). */
  constructor(offset: number, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}) {
    this.data = mkdtempSync(join(tmpdir(), 'kintsugi-fleet-'))
    this.offset = offset
    this.#args = args
    this.#env = env
  }

  /** Starts the fleet in the foreground and waits until all units are ready. */
  async start(timeoutMs = 40_000): Promise<this> {
    const child = spawn(
      process.execPath,
      [cli, 'up', '--data', this.data, '--port-offset', String(this.offset), ...this.#args],
      {
        cwd: this.cwd,
        env: { ...process.env, NO_COLOR: '1', ...NO_SERVICES, ...this.#env },
        stdio: ['ignore', 'pipe', 'pipe'],
      },
    )
    this.child = child
    const [stdout, stderr] = [collect(child, 'stdout'), collect(child, 'stderr')]
    this.output = () => stdout() + stderr()
    const deadline = Date.now() + timeoutMs
    while (!stdout().includes('ready after')) {
      if (child.exitCode !== null || Date.now() > deadline)
        throw new Error(
          `the fleet did not come up:\n${this.output()}\n${this.log('keeper')}${this.log('localnet')}`,
        )
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    return this
  }

  log(name: string): string {
    try {
      return readFileSync(join(this.data, 'logs', `${name}.log`), 'utf8')
    } catch {
      return ''
    }
  }

  get token(): string {
    return readFileSync(join(this.data, 'token'), 'utf8')
  }

  url(port: number, path: string): string {
    return `http://127.0.0.1:${port + this.offset}${path}`
  }

  async get<T>(port: number, path: string): Promise<T> {
    return (await fetch(this.url(port, path))).json() as Promise<T>
  }

  status(): Promise<StatusView> {
    return this.get(8000, '/status')
  }

  trades(): Promise<TradeView[]> {
    return this.pages<TradeView>('/trades?limit=500', ({ hash }) => hash)
  }

  /** The items of a list of the gateway, newest first, each once: new ones move others to the next page. */
  async pages<T>(first: string, idOf: (item: T) => string, max = Number.POSITIVE_INFINITY): Promise<T[]> {
    const found = new Map<string, T>()
    for (let path: string | null = first; path !== null && found.size < max; ) {
      const { next, total: _, ...list }: Page<T> = await this.get(8000, path)
      for (const item of Object.values(list).flat()) found.set(idOf(item), item)
      path = next
    }
    return [...found.values()]
  }

  query(port: number, body: unknown, headers: Record<string, string> = {}): Promise<Response> {
    return fetch(this.url(port, '/query'), {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    })
  }

  /** Waits until a condition holds; throws after a timeout. */
  async until(what: string, check: () => Promise<boolean>, timeoutMs = 30_000): Promise<number> {
    const started = Date.now()
    for (;;) {
      if (await check().catch(() => false)) return Date.now() - started
      if (Date.now() - started > timeoutMs)
        throw new Error(`${what}: not within ${timeoutMs} ms\n${this.output().slice(-2_000)}`)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
  }

  /** Sends SIGINT. Returns the time until the exit, in ms. */
  async stop(signal: NodeJS.Signals = 'SIGINT'): Promise<number> {
    const child = this.child
    if (!child || child.exitCode !== null) return 0
    const started = Date.now()
    child.kill(signal)
    const timer = setTimeout(() => child.kill('SIGKILL'), 20_000)
    await once(child, 'exit')
    clearTimeout(timer)
    return Date.now() - started
  }

  async dispose(): Promise<void> {
    await this.stop()
    if (!process.env.KINTSUGI_KEEP) rmSync(this.data, { recursive: true, force: true })
  }
}

/** Processes whose environment or command line names the data folder; a stopped fleet must leave none. */
export function processesOf(data: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
        return command.includes(data) ||
          readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`KINTSUGI_DATA=${data}`)
          ? [`${pid} ${command}`]
          : []
      } catch {
        return []
      }
    })
}
