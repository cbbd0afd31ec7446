/**
 * Moves contracts of a local chain to the addresses of a real chain: code, storage, token balances, and every
 * reference to them in the code and storage of other contracts.
 */
import { gunzipSync } from 'node:zlib'
import { encodeAbiParameters, type Hex, keccak256 } from 'viem'
import type { Address } from '../../src/amm/index.ts'
import { type RpcCall, rpc, rpcBatch } from '../../src/localnet/rpc.ts'

interface Account {
  balance: Hex
  code: Hex
  storage: Record<Hex, Hex>
}

export interface HeldToken {
  readonly address: Address
  /** Storage slot of the token's balance mapping. */
  readonly balancesSlot: bigint
}

/**
 * `moves`: old to new address. Mapping entries under a moved address are lost, except the balances of
 * `tokens`.
 */
export async function relocate(
  url: string,
  moves: ReadonlyMap<Address, Address>,
  tokens: readonly HeldToken[],
): Promise<void> {
  const dump = await rpc<Hex>(url, 'anvil_dumpState')
  const { accounts } = JSON.parse(gunzipSync(Buffer.from(dump.slice(2), 'hex')).toString()) as {
    accounts: Record<Address, Account>
  }
  const moved = (text: Hex): Hex => {
    let result: string = text
    for (const [from, to] of moves) result = result.replaceAll(from.slice(2), to.slice(2))
    return result as Hex
  }
  const calls: RpcCall[] = []
  for (const [at, { code, storage, balance }] of Object.entries(accounts) as [Address, Account][]) {
    const to = moves.get(at)
    const target = to ?? at
    if (to || moved(code) !== code) calls.push({ method: 'anvil_setCode', params: [target, moved(code)] })
    for (const [slot, value] of Object.entries(storage) as [Hex, Hex][])
      if (to || moved(value) !== value)
        calls.push({ method: 'anvil_setStorageAt', params: [target, slot, moved(value)] })
    if (to) calls.push({ method: 'anvil_setBalance', params: [to, balance] })
  }
  for (const { address, balancesSlot } of tokens) {
    const slotOf = (holder: Address) =>
      keccak256(encodeAbiParameters([{ type: 'address' }, { type: 'uint256' }], [holder, balancesSlot]))
    for (const [from, to] of moves) {
      const held = accounts[address]?.storage[slotOf(from)]
      if (held) calls.push({ method: 'anvil_setStorageAt', params: [address, slotOf(to), held] })
    }
  }
  for (let at = 0; at < calls.length; at += 500) await rpcBatch(url, calls.slice(at, at + 500))
}
