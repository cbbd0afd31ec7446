/**
 * How processes of the fleet know each other: tokens of a minute or two, signed with a key from a file that only this user can read and that is
 * replaced now and then. A person's token never takes their place.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { existsSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'

const LASTS_MS = 120_000
/** A token is used for half of its time. */
const RENEW_MS = LASTS_MS / 2
const LOOK_MS = 500
/** The one that signs, and the one before it, of which tokens are still about. */
const KEPT = 2

interface Key {
  readonly id: string
  /** Base64. */
  readonly secret: string
}

export class ServiceKeys {
  readonly #path: string
  readonly #name: string
  readonly #now: () => number
  #keys: readonly Key[] = []
  #readAt: number | undefined
  #lookedAt = Number.NEGATIVE_INFINITY
  #token: { readonly text: string; readonly renewAt: number } | undefined

  /** `name`: who we are, for the records of others. */
  constructor(path: string, name: string, now: () => number) {
    this.#path = path
    this.#name = name
    this.#now = now
  }

  /** Our token now; undefined where there is no key. */
  token(): string | undefined {
    const now = this.#now()
    this.#look()
    if (this.#token && this.#token.renewAt > now) return this.#token.text
    const key = this.#keys.at(-1)
    if (!key) return undefined
    const claim = Buffer.from(
      JSON.stringify({ name: this.#name, until: now + LASTS_MS, key: key.id }),
    ).toString('base64url')
    this.#token = { text: `svc.${claim}.${mac(key, claim).toString('base64url')}`, renewAt: now + RENEW_MS }
    return this.#token.text
  }

  /** Whose token it is; undefined for one that is not of this fleet, or too old. */
  verify(token: string): string | undefined {
    const [kind, claim, signature, more] = token.split('.')
    if (kind !== 'svc' || !claim || !signature || more !== undefined) return undefined
    this.#look()
    try {
      const {
        name,
        until,
        key: id,
      } = JSON.parse(Buffer.from(claim, 'base64url').toString('utf8')) as {
        name: string
        until: number
        key: string
      }
      const key = this.#keys.find((each) => each.id === id)
      const given = Buffer.from(signature, 'base64url')
      if (!key || given.length !== 32 || !timingSafeEqual(given, mac(key, claim))) return undefined
      return until > this.#now() ? name : undefined
    } catch {
      return undefined
    }
  }

  #look(): void {
    const now = this.#now()
    if (Math.abs(now - this.#lookedAt) < LOOK_MS) return
    this.#lookedAt = now
    try {
      const { mtimeMs } = statSync(this.#path)
      if (mtimeMs === this.#readAt) return
      this.#keys = read(this.#path)
      this.#token = undefined
      this.#readAt = mtimeMs
    } catch {
      // What is known holds.
    }
  }
}

const mac = ({ secret }: Key, claim: string): Buffer =>
  createHmac('sha256', Buffer.from(secret, 'base64')).update(claim).digest()

const read = (path: string): Key[] => (JSON.parse(readFileSync(path, 'utf8')) as { keys: Key[] }).keys

/** A new key signs from now on. */
export function rotateServiceKeys(path: string): void {
  const keys = [
    ...(existsSync(path) ? read(path) : []),
    { id: randomBytes(6).toString('hex'), secret: randomBytes(32).toString('base64') },
  ].slice(-KEPT)
  writeFileSync(`${path}.new`, JSON.stringify({ keys }), { mode: 0o600 })
  renameSync(`${path}.new`, path)
}
