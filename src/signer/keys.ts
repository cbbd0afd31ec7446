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
    throw new KintsugiError('key-invalid', `${source}: not a private key; expected 32 bytes as 64 hexadecimal digits`, { hint: 'the value is not shown on purpose' })
  }
  return privateKeyToAccount(key as Hex)
}

function keyFile(folder: string, name: string): PrivateKeyAccount {
  const path = join(folder, `${name}.key`)
  if (!existsSync(path)) writeFileSync(path, generatePrivateKey(), { mode: 0o600, flag: 'wx' })
  return parseKey(readFileSync(path, 'utf8'), path)
}

export interface LocalKeys {
  operator: PrivateKeyAccount
  treasury: Address
  /** Who we are to relays; holds nothing. */
  identity: PrivateKeyAccount
}

/** The operator (from `given`, where a key was handed over) and the treasury of the embedded chain. */
export function localKeys(dataFolder: string, given?: string): LocalKeys {
  const folder = join(dataFolder, 'keys')
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const operator = given === undefined ? keyFile(folder, 'operator') : parseKey(given, 'ARBITRAGE_PRIVATE_KEY')
  return { operator, treasury: keyFile(folder, 'treasury').address.toLowerCase() as Address, identity: keyFile(folder, 'relay') }
}
