/**
 * Keys of the embedded chain: generated once, in files that only this user can read, opened by the signer
 * alone.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import type { Address } from '../amm/index.ts'
import type { Hex } from '../ports/chain.ts'
import { KintsugiError } from '../std/errors.ts'

const KEY = /^0x[0-9a-fA-F]{64}$/
const SECP256K1_ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n

/** Parses a private key. Throws `key-invalid`; the message never contains the key. */
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

/** Accounts, each derived when first used, since deriving an address is slow. */
export interface LocalKeys {
  readonly operator: PrivateKeyAccount
  readonly treasury: Address
  /** Identity for relays; holds no funds. */
  readonly identity: PrivateKeyAccount
}

/** The operator (from `given`, if a key was passed) and the treasury of the embedded chain. */
export function localKeys(dataFolder: string, passedKey?: string): LocalKeys {
  const folder = join(dataFolder, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  let identity: PrivateKeyAccount | undefined
  return {
    operator:
      passedKey === undefined ? keyFile(folder, 'operator') : parseKey(passedKey, 'ARBITRAGE_PRIVATE_KEY'),
    get treasury() {
      return keyFile(folder, 'treasury').address.toLowerCase() as Address
    },
    get identity() {
      return (identity ??= keyFile(folder, 'relay'))
    },
  }
}

/** The address of every key file, in the order of their names. */
export function fileAddresses(dataFolder: string): Address[] {
  const folder = join(dataFolder, 'keys')
  return readdirSync(folder)
    .filter((name) => name.endsWith('.key'))
    .sort()
    .map((name) => keyFile(folder, name.slice(0, -'.key'.length)).address.toLowerCase() as Address)
}

/**
 * Signs a few times with a throwaway key, so that the curve's tables exist and the code is compiled before
 * the first real signature.
 */
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
