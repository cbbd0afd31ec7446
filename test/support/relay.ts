/**
 * A relay with the behaviour of Flashbots and block builders, for a local chain with manual mining: it
 * authenticates callers by signature, publishes nothing, and includes a bundle only if none of its
 * transactions reverts.
 */
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { type Hex, keccak256, recoverMessageAddress, toBytes } from 'viem'
import { rpc } from '../../src/localnet/rpc.ts'

interface Kept {
  readonly raws: readonly Hex[]
  readonly first: number
  readonly last: number
}

export class RelayStub {
  readonly #chain: string
  readonly #server: Server
  #kept: Kept[] = []
  /** Accounts of the callers, by signature. */
  readonly askers = new Set<string>()
  readonly methods: string[] = []
  /** If set, every request is refused with this reason. */
  refusal: string | undefined

  private constructor(chain: string) {
    this.#chain = chain
    this.#server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk) => {
        body += chunk
      })
      request.on('end', async () => {
        const { id, method, params } = JSON.parse(body)
        const answer = await this.#answer(
          body,
          String(request.headers['x-flashbots-signature'] ?? ''),
          method,
          params?.[0],
        ).then(
          (result) => ({ result }),
          (error: Error) => ({ error: { code: -32_000, message: error.message } }),
        )
        response.setHeader('content-type', 'application/json')
        response.end(JSON.stringify({ jsonrpc: '2.0', id, ...answer }))
      })
    })
  }

  static async start(chain: string): Promise<RelayStub> {
    const stub = new RelayStub(chain)
    stub.#server.listen(0, '127.0.0.1')
    await once(stub.#server, 'listening')
    return stub
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  async #answer(
    body: string,
    header: string,
    method: string,
    params: Record<string, unknown>,
  ): Promise<unknown> {
    this.methods.push(method)
    const [address, signature] = header.split(':') as [string, Hex]
    const signer = await recoverMessageAddress({ message: keccak256(toBytes(body)), signature }).catch(
      () => undefined,
    )
    if (signer !== address) throw new Error('the signature is not by the address in the header')
    if (this.refusal) throw new Error(this.refusal)
    this.askers.add(address)
    const head = Number(await rpc<Hex>(this.#chain, 'eth_blockNumber'))
    if (method === 'eth_sendBundle') {
      const block = Number(params.blockNumber as Hex)
      if (block <= head) throw new Error(`block ${block} is past`)
      this.#kept.push({ raws: params.txs as Hex[], first: block, last: block })
      return {
        bundleHash: keccak256(`0x${(params.txs as Hex[]).map((raw) => keccak256(raw).slice(2)).join('')}`),
      }
    }
    if (method !== 'eth_sendPrivateTransaction') throw new Error(`the method ${method} does not exist`)
    this.#kept.push({ raws: [params.tx as Hex], first: head + 1, last: Number(params.maxBlockNumber as Hex) })
    return keccak256(params.tx as Hex)
  }

  /** Mines a block as a builder does: first each bundle that fits and does not revert, then the mempool. */
  async mine(): Promise<void> {
    const next = Number(await rpc<Hex>(this.#chain, 'eth_blockNumber')) + 1
    let accepted: Kept[] = []
    const due = this.#kept.filter(({ first, last }) => first <= next && next <= last)
    // An included transaction may make the next nonce of the same sender valid.
    for (let tried = 0; tried < due.length; ) {
      const bundle = due[tried] as Kept
      const before = await rpc<Hex>(this.#chain, 'evm_snapshot')
      const succeeded = await this.#build([...accepted, bundle]).catch(() => false)
      // The trial is always reverted: the mempool must stay intact.
      await rpc(this.#chain, 'evm_revert', before)
      if (succeeded) {
        accepted = [...accepted, bundle]
        due.splice(tried, 1)
        tried = 0
      } else tried++
    }
    await this.#build(accepted)
    this.#kept = this.#kept.filter(
      ({ last, raws }) => last > next && !accepted.some((bundle) => bundle.raws === raws),
    )
  }

  async #build(bundles: readonly Kept[]): Promise<boolean> {
    const raws = bundles.flatMap(({ raws: of }) => of)
    for (const raw of raws) {
      const hash = keccak256(raw)
      const known = await rpc<{ blockNumber: Hex | null } | null>(
        this.#chain,
        'eth_getTransactionByHash',
        hash,
      )
      if (!known) await rpc(this.#chain, 'eth_sendRawTransaction', raw)
    }
    await rpc(this.#chain, 'evm_mine')
    const receipts = await Promise.all(
      raws.map((raw) =>
        rpc<{ status: Hex; transactionIndex: Hex } | null>(
          this.#chain,
          'eth_getTransactionReceipt',
          keccak256(raw),
        ),
      ),
    )
    return receipts.every((receipt) => receipt?.status === '0x1')
  }

  async close(): Promise<void> {
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, 'close')
  }
}
