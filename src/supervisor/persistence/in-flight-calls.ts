/**
 * The calls in flight of a process, in a small file that survives it: when the process dies, the file shows
 * which services were running. Each change is one positioned write into preallocated space; the kernel keeps
 * it, so nothing is synced. If a write fails (a full disk), calls continue without the record.
 */
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { InFlightCall } from '../../fleet/healing/state.ts'

/** Bytes per service: the count of calls in flight (little-endian), then the service and its latest tool. */
const SLOT = 128
const NAME_AT = 4
const PREALLOCATED_SLOTS = 32

/** Records the calls in flight of this process. */
export class InFlightCalls {
  readonly #fd: number | undefined
  readonly #slots = new Map<string, Buffer>()
  readonly #path: string

  constructor(folder: string, process: string) {
    this.#path = join(folder, process)
    try {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      this.#fd = openSync(this.#path, 'w+', 0o600)
      writeSync(this.#fd, Buffer.alloc(SLOT * PREALLOCATED_SLOTS))
    } catch {
      // Without the record, a failing cell is split in halves to find the culprit.
    }
  }

  begin(service: string, tool: string): void {
    let slot = this.#slots.get(service)
    if (!slot) {
      slot = Buffer.alloc(SLOT)
      this.#slots.set(service, slot)
    }
    slot.writeUInt32LE(slot.readUInt32LE(0) + 1, 0)
    slot.fill(0, NAME_AT)
    slot.write(`${service} ${tool}`, NAME_AT, SLOT - NAME_AT, 'utf8')
    this.#write(service, slot)
  }

  end(service: string): void {
    const slot = this.#slots.get(service)
    if (!slot) return
    slot.writeUInt32LE(Math.max(0, slot.readUInt32LE(0) - 1), 0)
    this.#write(service, slot)
  }

  close(): void {
    if (this.#fd === undefined) return
    closeSync(this.#fd)
    rmSync(this.#path, { force: true })
  }

  #write(service: string, slot: Buffer): void {
    if (this.#fd === undefined) return
    try {
      writeSync(this.#fd, slot, 0, SLOT, [...this.#slots.keys()].indexOf(service) * SLOT)
    } catch {
      // The earlier content stays.
    }
  }
}

/**
 * Reads the calls that were in flight when a process ended, and deletes the record. Empty if there is none.
 */
export function takeInFlightCalls(folder: string, process: string): InFlightCall[] {
  const path = join(folder, process)
  let bytes: Buffer
  try {
    bytes = readFileSync(path)
  } catch {
    return []
  }
  rmSync(path, { force: true })
  const running: InFlightCall[] = []
  for (let at = 0; at + SLOT <= bytes.length; at += SLOT) {
    const count = bytes.readUInt32LE(at)
    const [service = '', tool = ''] =
      bytes
        .toString('utf8', at + NAME_AT, at + SLOT)
        .split('\0')[0]
        ?.split(' ') ?? []
    if (count > 0 && service !== '') running.push({ service, tool, count })
  }
  return running
}
