/**
 * Journal of signatures, durable before a signature is returned: one synced JSON line each; a torn last line
 * is cut.
 */
import {
  closeSync,
  existsSync,
  fdatasync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { promisify } from 'node:util'
import { decodeJson, encodeJson } from '../std/json.ts'
import type { SignerState } from './policy.ts'

interface Entry {
  at: number
  nonce: number
  wei: bigint
  lease: number
}

const sync = promisify(fdatasync)
/** Number of lines after which the file is rewritten without expired entries. */
const COMPACT_AT = 5_000

export class SignerJournal {
  readonly #path: string
  readonly #windowMs: number
  #fd: number
  #entries: Entry[] = []
  #lease = 0
  #compactAt = COMPACT_AT
  #syncing = 0

  constructor(path: string, windowMs: number, now: number) {
    this.#path = path
    this.#windowMs = windowMs
    const text = existsSync(path) ? readFileSync(path, 'utf8') : ''
    const complete = text.slice(0, text.lastIndexOf('\n') + 1)
    for (const line of complete.split('\n')) {
      if (line === '') continue
      const entry = decodeJson<Entry>(line)
      this.#entries.push(entry)
      this.#lease = Math.max(this.#lease, entry.lease)
    }
    this.#fd = openSync(path, 'a', 0o600)
    if (complete.length < text.length) ftruncateSync(this.#fd, Buffer.byteLength(complete))
    this.#compact(now)
  }

  state(now: number): SignerState {
    return { lease: this.#lease, spent: this.#entries.filter((entry) => entry.at > now - this.#windowMs) }
  }

  /** Adds an entry, which counts at once; resolves when it is on disk. */
  async append(entry: Entry): Promise<void> {
    writeSync(this.#fd, `${encodeJson(entry)}\n`)
    this.#entries.push(entry)
    this.#lease = Math.max(this.#lease, entry.lease)
    this.#syncing++
    try {
      await sync(this.#fd)
    } finally {
      this.#syncing--
    }
    if (this.#syncing === 0 && this.#entries.length > this.#compactAt) this.#compact(entry.at)
  }

  #compact(now: number): void {
    if (this.#entries.length <= this.#compactAt) return
    const kept = this.#entries.filter((entry) => entry.at > now - this.#windowMs)
    if (kept.length === 0) kept.push(this.#entries.at(-1) as Entry)
    writeFileSync(
      `${this.#path}.new`,
      kept.map((entry) => `${encodeJson({ ...entry, lease: this.#lease })}\n`).join(''),
      { mode: 0o600, flush: true },
    )
    closeSync(this.#fd)
    renameSync(`${this.#path}.new`, this.#path)
    this.#fd = openSync(this.#path, 'a', 0o600)
    this.#entries = kept
    // If no entry has expired, a rewrite would gain nothing.
    this.#compactAt = Math.max(COMPACT_AT, 2 * kept.length)
  }
}
