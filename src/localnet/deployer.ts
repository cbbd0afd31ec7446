/**
 * Queues transactions of one account with known nonces, so that addresses are known before anything is mined.
 */
import { type Abi, encodeDeployData, encodeFunctionData, getContractAddress, type Hex } from 'viem'
import type { Address } from '../amm/index.ts'
import { KintsugiError } from '../std/errors.ts'
import { type RpcCall, rpc, rpcBatch, toHex } from './rpc.ts'

const CHUNK = 400
const GAS_LIMIT = 60_000_000

export class Deployer {
  readonly #url: string
  readonly account: Address
  #nonce: number
  #queue: { label: string; call: RpcCall }[] = []
  transactions = 0

  private constructor(url: string, account: Address, nonce: number) {
    this.#url = url
    this.account = account
    this.#nonce = nonce
  }

  /** Starts with an impersonated, richly funded account; no key exists for it. */
  static async start(url: string, account: Address): Promise<Deployer> {
    await rpcBatch(url, [
      { method: 'anvil_setBalance', params: [account, toHex(10n ** 30n)] },
      { method: 'anvil_impersonateAccount', params: [account] },
    ])
    return new Deployer(
      url,
      account,
      Number(await rpc<Hex>(url, 'eth_getTransactionCount', account, 'latest')),
    )
  }

  /** Address of the contract that is deployed `ahead` transactions from now. */
  nextAddress(ahead: number): Address {
    return getContractAddress({
      from: this.account,
      nonce: BigInt(this.#nonce + ahead),
    }).toLowerCase() as Address
  }

  deploy(label: string, contract: { abi: Abi; bytecode: Hex }, args: readonly unknown[] = []): Address {
    const address = getContractAddress({
      from: this.account,
      nonce: BigInt(this.#nonce),
    }).toLowerCase() as Address
    this.#send(`deploy ${label}`, encodeDeployData({ abi: contract.abi, bytecode: contract.bytecode, args }))
    return address
  }

  call(to: Address, abi: Abi, functionName: string, args: readonly unknown[], value = 0n): void {
    this.#send(`${functionName} on ${to}`, encodeFunctionData({ abi, functionName, args }), to, value)
  }

  #send(label: string, data: Hex, to?: Address, value = 0n): void {
    const transaction = {
      from: this.account,
      nonce: toHex(this.#nonce++),
      gas: toHex(GAS_LIMIT),
      data,
      value: toHex(value),
      ...(to ? { to } : {}),
    }
    this.#queue.push({ label, call: { method: 'eth_sendTransaction', params: [transaction] } })
  }

  /**
   * Sends and mines what is queued; throws `deployment-failed` naming the first transaction that reverted.
   */
  async flush(): Promise<void> {
    const queue = this.#queue
    this.#queue = []
    for (let at = 0; at < queue.length; at += CHUNK) {
      const chunk = queue.slice(at, at + CHUNK)
      const hashes = (await rpcBatch(
        this.#url,
        chunk.map((entry) => entry.call),
      )) as Hex[]
      await rpc(this.#url, 'evm_mine')
      const receipts = (await rpcBatch(
        this.#url,
        hashes.map((hash) => ({ method: 'eth_getTransactionReceipt', params: [hash] })),
      )) as ({ status: Hex } | null)[]
      receipts.forEach((receipt, index) => {
        if (receipt?.status !== '0x1') {
          throw new KintsugiError(
            'deployment-failed',
            `the local chain refused a transaction: ${chunk[index]?.label} (${receipt ? 'reverted' : 'not mined'})`,
          )
        }
      })
      this.transactions += chunk.length
    }
  }
}
