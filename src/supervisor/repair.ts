/**
 * Repairs of common causes of failure: a disk that fills up, logs that grow, files of the fleet that became
 * unreadable.
 */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  renameSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import type { IncidentKind } from '../fleet/incidents.ts'

/** The checked files and folders, and the receiver of incidents. */
export interface RepairOptions {
  readonly dataFolder: string
  readonly logFolder: string
  /** JSON files that processes read at their start: the last valid content of each is kept and restored. */
  readonly documents: readonly string[]
  /** Records an incident. */
  note(kind: IncidentKind, detail: string, action: string): void
  /** Free and total bytes of a folder's file system; by default those of the operating system. */
  space?(folder: string): { free: number; total: number }
}

/** Below either limit the disk is low. */
const MIN_FREE_BYTES = 200_000_000
const MIN_FREE_SHARE = 0.02
/** A longer log is truncated: the first limit always applies, the second while the disk is low. */
const MAX_LOG_BYTES = 64_000_000
const MAX_LOG_WHEN_LOW = 1_000_000
const KEPT_LOG_BYTES = 256_000

function spaceOf(folder: string): { free: number; total: number } {
  const { bavail, blocks, bsize } = statfsSync(folder)
  return { free: bavail * bsize, total: blocks * bsize }
}

/** Checks and repairs the data folder. */
export class Repairs {
  readonly #options: RepairOptions
  readonly #valid = new Map<string, string>()
  #low = false

  constructor(options: RepairOptions) {
    this.#options = options
  }

  /** Checks the disk, the logs and the documents once. */
  check(): void {
    this.#checkDisk()
    for (const path of this.#options.documents) this.#checkDocument(path)
  }

  #checkDisk(): void {
    const { dataFolder, logFolder, note, space = spaceOf } = this.#options
    const { free, total } = space(dataFolder)
    const low = free < MIN_FREE_BYTES || free < total * MIN_FREE_SHARE
    const cut =
      low || this.#logs().some(({ bytes }) => bytes > MAX_LOG_BYTES)
        ? this.#rotate(low ? MAX_LOG_WHEN_LOW : MAX_LOG_BYTES)
        : 0
    if (low && !this.#low)
      note(
        'disk-low',
        `${Math.round(free / 1e6)} MB free under ${dataFolder}`,
        cut > 0
          ? `logs truncated by ${Math.round(cut / 1e6)} MB`
          : `no log can be truncated further; free disk space, for example in ${logFolder}`,
      )
    else if (!low && this.#low)
      note('disk-recovered', `${Math.round(free / 1e6)} MB free under ${dataFolder}`, 'none')
    else if (!low && cut > 0) note('logs-rotated', `logs truncated by ${Math.round(cut / 1e6)} MB`, 'none')
    this.#low = low
  }

  #logs(): { path: string; bytes: number }[] {
    const { logFolder } = this.#options
    if (!existsSync(logFolder)) return []
    return readdirSync(logFolder)
      .filter((name) => name.endsWith('.log'))
      .map((name) => ({ path: join(logFolder, name), bytes: statSync(join(logFolder, name)).size }))
  }

  /**
   * Truncates logs in place, so that processes can keep writing to them, and keeps their ends. Returns the
   * bytes freed.
   */
  #rotate(maxBytes: number): number {
    let freed = 0
    for (const { path, bytes } of this.#logs()) {
      if (bytes <= maxBytes) continue
      const tail = Buffer.alloc(KEPT_LOG_BYTES)
      const fd = openSync(path, 'r')
      const read = readSync(fd, tail, 0, KEPT_LOG_BYTES, bytes - KEPT_LOG_BYTES)
      closeSync(fd)
      truncateSync(path, 0)
      // The kept end starts with a whole line.
      const text = tail.subarray(0, read)
      writeFileSync(path, text.subarray(text.indexOf(10) + 1), { flag: 'a' })
      freed += bytes - read
    }
    return freed
  }

  #checkDocument(path: string): void {
    let text: string | undefined
    try {
      text = readFileSync(path, 'utf8')
      JSON.parse(text)
      this.#valid.set(path, text)
    } catch {
      const valid = this.#valid.get(path)
      if (valid === undefined) return
      try {
        writeFileSync(`${path}.new`, valid, { mode: 0o600 })
        renameSync(`${path}.new`, path)
        this.#options.note(
          'file-repaired',
          `${basename(path)} ${text === undefined ? 'was missing' : 'was not valid JSON'}`,
          'its last valid content was restored',
        )
      } catch (error) {
        this.#options.note(
          'file-broken',
          `${basename(path)} cannot be read or restored: ${(error as Error).message}`,
          'none',
        )
      }
    }
  }
}
