/**
 * Authentication between processes of the fleet: short-lived tokens, signed with a key from a file that only
 * this user can read and that is replaced hourly. A user's token is never accepted instead of them.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { PolledFile } from './polled-file.ts'

const LIFETIME_MS = 120_000
/** A token is used for half of its lifetime. */
const RENEWAL_MS = LIFETIME_MS / 2
const MAC_BYTES = 32
/** The key that signs, and the previous one, whose tokens may still be in use. */
const MAX_KEYS = 2

interface Key {
  readonly id: string
  /** Base64. */
  readonly secret: string
}

interface KeyFile {
  readonly keys: readonly Key[]
}

/** The claims of a token. */
interface Claim {
  /** The process. */
  readonly name: string
  /** End of its validity, ms since 1970. */
  readonly until: number
  /** Id of the key. */
  readonly key: string
}

/** Issues this process's token and verifies those of others. */
export class ServiceKeys {
  readonly #name: string
  readonly #now: () => number
  readonly #file: PolledFile<KeyFile>
  #token: { readonly text: string; readonly renewAt: number } | undefined

  /** `name`: the name of this process, as others record it. */
  constructor(path: string, name: string, now: () => number) {
    this.#name = name
    this.#now = now
    this.#file = new PolledFile(path, now, () => {
      this.#token = undefined
    })
  }

  /** The current token of this process; undefined if there is no key. */
  token(): string | undefined {
    const now = this.#now()
    const key = this.#file.content()?.keys.at(-1)
    if (this.#token && this.#token.renewAt > now) return this.#token.text
    if (!key) return undefined
    const claim: Claim = { name: this.#name, until: now + LIFETIME_MS, key: key.id }
    const text = Buffer.from(JSON.stringify(claim)).toString('base64url')
    this.#token = { text: `svc.${text}.${mac(key, text).toString('base64url')}`, renewAt: now + RENEWAL_MS }
    return this.#token.text
  }

  /**
   * The name of the process that a token belongs to; undefined for a token that is expired or not of this
   * fleet.
   */
  verify(token: string): string | undefined {
    const [kind, text, signature, more] = token.split('.')
    if (kind !== 'svc' || !text || !signature || more !== undefined) return undefined
    try {
      const { name, until, key: id } = JSON.parse(Buffer.from(text, 'base64url').toString('utf8')) as Claim
      const key = this.#file.content()?.keys.find((each) => each.id === id)
      const received = Buffer.from(signature, 'base64url')
      if (!key || received.length !== MAC_BYTES || !timingSafeEqual(received, mac(key, text)))
        return undefined
      return until > this.#now() ? name : undefined
    } catch {
      return undefined
    }
  }
}

const mac = ({ secret }: Key, claim: string): Buffer =>
  createHmac('sha256', Buffer.from(secret, 'base64')).update(claim).digest()

/** Adds a key, which signs from now on, and drops the oldest. */
export function rotateServiceKeys(path: string): void {
  const previous = existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as KeyFile).keys : []
  const key: Key = { id: randomBytes(6).toString('hex'), secret: randomBytes(32).toString('base64') }
  const file: KeyFile = { keys: [...previous, key].slice(-MAX_KEYS) }
  writeFileSync(`${path}.new`, JSON.stringify(file), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
