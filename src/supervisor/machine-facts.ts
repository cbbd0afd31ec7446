/** The load of this machine in words. */
import { readFileSync } from 'node:fs'
import { availableParallelism, loadavg } from 'node:os'

/** Such as `load 17.0 on 2 cores, some task waits 98 % of the time`; the latter where the kernel tells. */
export function machineFacts(): string {
  const load = `load ${(loadavg()[0] ?? 0).toFixed(1)} on ${availableParallelism()} cores`
  try {
    const share = /some avg10=([\d.]+)/.exec(readFileSync('/proc/pressure/cpu', 'utf8'))?.[1]
    return share === undefined ? load : `${load}, some task waits ${Math.round(Number(share))} % of the time`
  } catch {
    return load
  }
}
