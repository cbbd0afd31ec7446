/**
 * A TCP proxy in front of a server, which can take the server away: refuse, hang, answer late or answer
 * nonsense, and bring it back on the same address.
 */
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { type Duplex, Transform } from 'node:stream'

/** What the proxy does with connections. */
export type ProxyMode = 'pass' | 'refuse' | 'hang' | 'slow' | 'wrong'

export interface ProxyOptions {
  readonly host: string
  readonly port: number
  /** The proxy's own port; default: a free one. */
  readonly listenPort?: number
  /** Delay of each chunk while `slow`, in ms. */
  readonly slowMs?: number
}

/** An answer that belongs to none of the protocols. */
const NONSENSE = 'SSH-2.0-OpenSSH_9.6\r\n'

export class FaultyProxy {
  readonly #options: ProxyOptions
  readonly #sockets = new Set<Socket>()
  readonly #gates = new Set<Gate>()
  #server: Server | undefined
  #mode: ProxyMode = 'pass'
  port = 0

  private constructor(options: ProxyOptions) {
    this.#options = options
    this.port = options.listenPort ?? 0
  }

  static async start(options: ProxyOptions): Promise<FaultyProxy> {
    const proxy = new FaultyProxy(options)
    await proxy.#listen()
    return proxy
  }

  /** In front of the server of a URL, which keeps everything but its host and port. */
  static async before(url: string): Promise<{ proxy: FaultyProxy; url: string }> {
    const through = new URL(url)
    const proxy = await FaultyProxy.start({ host: through.hostname, port: Number(through.port) })
    through.hostname = '127.0.0.1'
    through.port = String(proxy.port)
    return { proxy, url: through.href }
  }

  get mode(): ProxyMode {
    return this.#mode
  }

  /**
   * `hang` keeps connections, and accepts new ones, but carries nothing; all other changes but the end of
   * `hang` and `slow` close the connections there are.
   */
  async set(mode: ProxyMode): Promise<void> {
    const before = this.#mode
    this.#mode = mode
    const keeps =
      mode === 'hang' || mode === 'slow' || (mode === 'pass' && (before === 'hang' || before === 'slow'))
    if (!keeps) this.#dropAll()
    for (const gate of [...this.#gates]) gate.release()
    if (mode === 'refuse') await this.#unlisten()
    else if (!this.#server) await this.#listen()
  }

  /** As `set('pass')`, but what hung is lost: connections that were held are closed. */
  async restart(): Promise<void> {
    this.#dropAll()
    await this.set('pass')
  }

  async close(): Promise<void> {
    this.#dropAll()
    await this.#unlisten()
  }

  #dropAll(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  async #listen(): Promise<void> {
    const server = createServer((client) => this.#accept(client))
    server.listen(this.port, '127.0.0.1')
    await once(server, 'listening')
    this.port = (server.address() as { port: number }).port
    this.#server = server
  }

  async #unlisten(): Promise<void> {
    const server = this.#server
    this.#server = undefined
    if (!server) return
    server.close()
    await once(server, 'close')
  }

  #accept(client: Socket): void {
    this.#keep(client)
    if (this.#mode === 'wrong') {
      client.write(NONSENSE)
      client.on('data', () => client.write(NONSENSE))
      return
    }
    const upstream = connect(this.#options.port, this.#options.host)
    this.#keep(upstream)
    const join = (from: Duplex, to: Duplex) => from.pipe(this.#gate()).pipe(to)
    join(client, upstream)
    join(upstream, client)
    client.on('close', () => upstream.destroy())
    upstream.on('close', () => client.destroy())
  }

  #keep(socket: Socket): void {
    this.#sockets.add(socket)
    socket.setNoDelay(true)
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#sockets.delete(socket))
  }

  #gate(): Transform {
    const gate = new Gate(() => ({ mode: this.#mode, slowMs: this.#options.slowMs ?? 1_500 }))
    this.#gates.add(gate)
    gate.on('close', () => this.#gates.delete(gate))
    return gate
  }
}

/** Holds chunks back as the proxy's mode says. */
class Gate extends Transform {
  readonly #state: () => { mode: ProxyMode; slowMs: number }
  #held: (() => void) | undefined

  constructor(state: () => { mode: ProxyMode; slowMs: number }) {
    super()
    this.#state = state
  }

  override _transform(chunk: Buffer, _encoding: string, done: (error: null, chunk: Buffer) => void): void {
    const { mode, slowMs } = this.#state()
    if (mode === 'hang') this.#held = () => this._transform(chunk, '', done)
    else if (mode === 'slow') setTimeout(() => done(null, chunk), slowMs)
    else done(null, chunk)
  }

  /** The mode has changed: looks again at what is held. */
  release(): void {
    const held = this.#held
    this.#held = undefined
    held?.()
  }
}
