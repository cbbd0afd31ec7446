/** A JSON file that another process replaces: read again soon after each replacement. */
import { readFileSync, statSync } from 'node:fs'

/** How long a replacement may stay unnoticed. */
const REFRESH_INTERVAL_MS = 500

export class PolledFile<T> {
  readonly #path: string
  readonly #now: () => number
  readonly #onChange: () => void
  #content: T | undefined
  #refreshedAt = Number.NEGATIVE_INFINITY
  /** Identifies the content that was read. */
  #version: string | undefined

  /** `now`: ms since 1970. `onChange` is called before `content` returns a new content. */
  constructor(path: string, now: () => number, onChange: () => void) {
    this.#path = path
    this.#now = now
    this.#onChange = onChange
  }

  /** The content; undefined until the file exists. An unreadable file keeps the previous content. */
  content(): T | undefined {
    const now = this.#now()
    if (Math.abs(now - this.#refreshedAt) < REFRESH_INTERVAL_MS) return this.#content
    this.#refreshedAt = now
    try {
      // Two replacements within one tick of the file system's clock have the same time, but never the same
      // inode.
      const { mtimeMs, ino, size } = statSync(this.#path)
      const version = `${mtimeMs} ${ino} ${size}`
      if (version === this.#version) return this.#content
      this.#content = JSON.parse(readFileSync(this.#path, 'utf8')) as T
      this.#version = version
      this.#onChange()
    } catch {}
    return this.#content
  }
}
