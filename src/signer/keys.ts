/** The keys of the embedded chain: generated once, kept in files that only this user can read, opened by the signer alone. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import type { Address } from '../amm/index.ts'
import type { Hex } from '../ports/chain.ts'
import { KintsugiError } from '../std/errors.ts'

const KEY = /^0x[0-9a-fA-F]{64}$/
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Reads a private key; throws `key-invalid` without ever repeating it. */
export function parseKey(text: string, source: string): PrivateKeyAccount {
  const key = text.trim().startsWith('0x') ? text.trim() : `0x${text.trim()}`
  const value = KEY.test(key) ? BigInt(key) : 0n
  if (value === 0n || value >= SECP256K1_ORDER) {
    throw new KintsugiError(
      'key-invalid',
      `${source}: not a private key; expected 32 bytes as 64 hexadecimal digits`,
      { hint: 'the value is not shown on purpose' },
    )
  }
  return privateKeyToAccount(key as Hex)
}

function keyFile(folder: string, name: string): PrivateKeyAccount {
  const path = join(folder, `${name}.key`)
  if (!existsSync(path)) writeFileSync(path, generatePrivateKey(), { mode: 0o600, flag: 'wx' })
  return parseKey(readFileSync(path, 'utf8'), path)
}

/** Each key is opened when it is first asked for: deriving an address takes a while. */
export interface LocalKeys {
  readonly operator: PrivateKeyAccount
  readonly treasury: Address
  /** Who we are to relays; holds nothing. */
  readonly identity: PrivateKeyAccount
}

/** The operator (from `given`, where a key was handed over) and the treasury of the embedded chain. */
export function localKeys(dataFolder: string, given?: string): LocalKeys {
  const folder = join(dataFolder, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let identity: PrivateKeyAccount | undefined
  return {
    operator: given === undefined ? keyFile(folder, 'operator') : parseKey(given, 'ARBITRAGE_PRIVATE_KEY'),
    get treasury() {
      return keyFile(folder, 'treasury').address.toLowerCase() as Address
    },
    get identity() {
      return (identity ??= keyFile(folder, 'relay'))
    },
  }
}

/** Signs a few times with a key that holds nothing and is thrown away: the curve's tables are made and the code compiled when the first real signature is asked for. */
export async function rehearseSigning(): Promise<void> {
  for (let round = 0; round < 5; round++) {
    const account = privateKeyToAccount(generatePrivateKey())
    await account.signTransaction({
      type: 'eip1559',
      chainId: 1,
      nonce: round,
      gas: 21_000n,
      maxFeePerGas: 1n,
      maxPriorityFeePerGas: 1n,
      to: account.address,
      data: '0x',
      value: 0n,
    })
  }
}
