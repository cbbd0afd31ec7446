/**
 * A private relay over JSON-RPC, such as Flashbots and block builders: `eth_sendBundle`,
 * `eth_sendPrivateTransaction`.
 */
import { keccak256, toBytes } from 'viem'
import type { Address } from '../../amm/index.ts'
import type { Hex } from '../../ports/chain.ts'
import type { Relay } from '../../ports/relay.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'

export interface JsonRpcRelayOptions {
  url: string
  name: string
  timeoutMs: number
  /** Signs the digest of a request, which authenticates us to the relay. */
  identify(digest: Hex): Promise<{ account: Address; signature: Hex }>
}

const hex = (value: number): Hex => `0x${value.toString(16)}`

export class JsonRpcRelay implements Relay {
  readonly #options: JsonRpcRelayOptions
  readonly name: string
  #nextId = 1

  constructor(options: JsonRpcRelayOptions) {
    this.#options = options
    this.name = options.name
  }

  async sendBundle(raws: readonly Hex[], block: number): Promise<void> {
    await this.#request('eth_sendBundle', { txs: raws, blockNumber: hex(block), revertingTxHashes: [] })
  }

  async sendPrivateTransaction(raw: Hex, lastBlock: number): Promise<void> {
    await this.#request('eth_sendPrivateTransaction', {
      tx: raw,
      maxBlockNumber: hex(lastBlock),
      preferences: { fast: true },
    })
  }

  async #request(method: string, params: Record<string, unknown>): Promise<void> {
    const { url, timeoutMs, identify } = this.#options
    const body = JSON.stringify({ jsonrpc: '2.0', id: this.#nextId++, method, params: [params] })
    const { account, signature } = await identify(keccak256(toBytes(body)))
    let answer: { error?: { message?: string } | string }
    try {
      const headers = {
        'content-type': 'application/json',
        'x-flashbots-signature': `${account}:${signature}`,
      }
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body,
        signal: AbortSignal.timeout(timeoutMs),
      })
      answer = (await response.json()) as typeof answer
    } catch (error) {
      throw new KintsugiError('relay-unreachable', `${this.name} cannot be reached: ${messageOf(error)}`, {
        retry: 'later',
        cause: error,
      })
    }
    if (answer.error) {
      const reason =
        typeof answer.error === 'string' ? answer.error : (answer.error.message ?? 'without a reason')
      throw new KintsugiError('relay-refused', `${this.name} refused ${method}: ${reason}`, {
        retry: 'later',
      })
    }
  }
}
