/** The signer as a child process behind an inherited socket pair: no path or port leads to it. */
import { type ChildProcess, spawn } from 'node:child_process'
import type { Duplex } from 'node:stream'
import type { Address } from '../../amm/index.ts'
import type { Intent } from '../../intents/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { Signed, Signer } from '../../ports/signer.ts'
import { type ErrorReport, errorFromReport, KintsugiError } from '../../std/errors.ts'
import { decodeJson, encodeJson } from '../../std/json.ts'
import { PendingRequests } from '../../std/line-rpc.ts'
import { onLines } from '../../std/lines.ts'

/** File descriptors in the signer: its socket, and the key if one is passed. */
export const SIGNER_FD = 3
const KEY_FD = 4
const TIMEOUT_MS = 10_000
const RESTART_MS = 200

type Answer = { id: number } & Partial<{
  account: Address
  raw: Signed['raw']
  hash: Signed['hash']
  signature: Hex
  error: ErrorReport
}>

export interface ProcessSignerOptions {
  command: string
  args: readonly string[]
  env: NodeJS.ProcessEnv
  /** Descriptor of this process with the key, passed on unread. */
  keyFd?: number
}

export class ProcessSigner implements Signer {
  readonly #options: ProcessSignerOptions
  readonly #requests = new PendingRequests<Answer>({ timeoutMs: TIMEOUT_MS, unreachable })
  #child: ChildProcess | undefined
  #channel: Duplex | undefined
  #closed = false

  constructor(options: ProcessSignerOptions) {
    this.#options = options
    this.#start()
  }

  async account(): Promise<Address> {
    return (await this.#call({ op: 'account' })).account as Address
  }

  async sign(intent: Intent): Promise<Signed> {
    const { raw, hash } = await this.#call({ op: 'sign', intent })
    return { raw, hash } as Signed
  }

  async identify(digest: Hex): Promise<{ account: Address; signature: Hex }> {
    const { account, signature } = await this.#call({ op: 'identify', digest })
    return { account, signature } as { account: Address; signature: Hex }
  }

  close(): void {
    this.#closed = true
    this.#channel?.destroy()
    this.#child?.kill('SIGTERM')
  }

  #start(): void {
    const { command, args, env, keyFd } = this.#options
    const child = spawn(command, args, {
      env: keyFd === undefined ? env : { ...env, KINTSUGI_KEY_FD: String(KEY_FD) },
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...(keyFd === undefined ? [] : [keyFd])],
    })
    this.#child = child
    this.#channel = child.stdio[SIGNER_FD] as Duplex
    this.#channel.on('error', () => undefined)
    onLines(this.#channel, (line) => {
      const answer = decodeJson<Answer>(line)
      if (answer.error) this.#requests.reject(answer.id, errorFromReport(answer.error))
      else this.#requests.resolve(answer.id, answer)
    })
    child.on('error', () => undefined)
    child.on('exit', (code) => {
      this.#requests.rejectAll(`it ended with code ${code}`)
      this.#channel = undefined
      if (!this.#closed) setTimeout(() => this.#closed || this.#start(), RESTART_MS)
    })
  }

  #call(request: Record<string, unknown>): Promise<Answer> {
    const channel = this.#channel
    if (!channel) return Promise.reject(unreachable('it is starting'))
    return this.#requests.request((id) => channel.write(`${encodeJson({ id, ...request })}\n`))
  }
}

function unreachable(message: string): KintsugiError {
  return new KintsugiError('signer-unreachable', `the signer cannot be reached: ${message}`, {
    retry: 'later',
  })
}
