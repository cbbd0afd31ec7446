/**
 * The halt of trading as the file HALT of the data folder. A person may create or remove it by hand, whatever
 * it contains.
 */
import { readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import type { Halt, TradingHalt } from '../ports/halt.ts'
import { KintsugiError, messageOf } from '../std/errors.ts'

const MAX_TEXT = 500

/** The halt in the file at `path`; its folder must exist. */
export class HaltFile implements TradingHalt {
  readonly #path: string
  readonly #now: () => number

  constructor(path: string, now: () => number) {
    this.#path = path
    this.#now = now
  }

  current(): Halt | undefined {
    try {
      return this.#read()
    } catch (error) {
      // Whoever cannot tell whether trading is halted must not trade.
      const reason = `${this.#path} cannot be read: ${messageOf(error)}`
      return { by: 'an unreadable state', at: 0, reason }
    }
  }

  halt(by: string, reason: string): Halt {
    const before = this.current()
    if (before) return before
    const halt: Halt = { by, at: this.#now(), reason: reason.slice(0, MAX_TEXT) }
    const fresh = `${this.#path}.${process.pid}`
    try {
      writeFileSync(fresh, `${JSON.stringify(halt)}\n`, { mode: 0o600, flush: true })
      renameSync(fresh, this.#path)
    } catch (error) {
      throw new KintsugiError('file-unreadable', `${this.#path} cannot be written: ${messageOf(error)}`, {
        hint: 'stop the fleet with `npx kintsugi down`, which stops trading too',
      })
    }
    return halt
  }

  resume(at: number): Halt {
    const halt = this.current()
    if (halt?.at !== at)
      throw new KintsugiError('conflict', halt ? 'another halt is in force' : 'trading is not halted', {
        hint: 'read the status again',
      })
    try {
      rmSync(this.#path, { recursive: true, force: true })
    } catch (error) {
      throw new KintsugiError('file-unreadable', `${this.#path} cannot be removed: ${messageOf(error)}`)
    }
    const left = this.current()
    if (left) throw new KintsugiError('file-unreadable', left.reason)
    return halt
  }

  /** Throws what the file system throws, except for a file that does not exist in an existing folder. */
  #read(): Halt | undefined {
    let text: string
    try {
      text = readFileSync(this.#path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      statSync(dirname(this.#path))
      return undefined
    }
    return haltIn(text) ?? byHand(text, statSync(this.#path).mtimeMs)
  }
}

/** A halt as this program writes it; undefined for any other text. */
function haltIn(text: string): Halt | undefined {
  try {
    const { by, at, reason } = JSON.parse(text) as Partial<Halt>
    return typeof by === 'string' && typeof at === 'number' && typeof reason === 'string'
      ? { by, at, reason }
      : undefined
  } catch {
    return undefined
  }
}

const byHand = (text: string, at: number): Halt => ({
  by: 'the file HALT',
  at: Math.round(at),
  reason: text.trim().slice(0, MAX_TEXT) || 'no reason given',
})
