/** Metrics of services, from their /metrics, and of the machine. */
import { readFileSync } from 'node:fs'
import { availableParallelism, freemem, loadavg, totalmem, uptime } from 'node:os'
import type { MetricsSource, Sample } from '../../ports/metrics.ts'
import { KintsugiError, messageOf } from '../../std/errors.ts'

/** Clock ticks per second on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100
const PAGE_BYTES = 4_096

export function metricsSource(
  portOf: (service: string) => number | undefined,
  bearer: () => string | undefined,
): MetricsSource {
  return {
    async scrape(service) {
      const port = portOf(service)
      if (port === undefined)
        throw new KintsugiError('unknown-service', `${service} has no TCP port in this fleet`)
      try {
        const token = bearer()
        const response = await fetch(`http://127.0.0.1:${port}/metrics`, {
          headers: token ? { authorization: `Bearer ${token}` } : {},
          signal: AbortSignal.timeout(3_000),
        })
        if (!response.ok) throw new Error(`status ${response.status}`)
        return parsePrometheus(await response.text())
      } catch (error) {
        throw new KintsugiError(
          'service-unreachable',
          `${service} did not give its metrics: ${messageOf(error)}`,
          { retry: 'later', cause: error },
        )
      }
    },
    host: () => ({
      cpuCount: availableParallelism(),
      loadAverage: loadavg() as [number, number, number],
      memoryTotal: totalmem(),
      memoryAvailable: freemem(),
      uptimeSeconds: uptime(),
    }),
    process(pid) {
      try {
        // Fields after the name, which may contain spaces: utime is the 14th of all, stime the 15th, rss the
        // 24th.
        const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
        const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
        return {
          cpuSeconds: (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND,
          residentBytes: Number(fields[21]) * PAGE_BYTES,
        }
      } catch {
        return undefined
      }
    },
  }
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g

/** Parses the subset of Prometheus's text format that our services write. */
function parsePrometheus(text: string): Sample[] {
  return text.split('\n').flatMap((line) => {
    const match = line.startsWith('#') ? null : LINE.exec(line)
    if (!match) return []
    const labels = Object.fromEntries(
      [...(match[2] ?? '').matchAll(LABEL)].map(([, name, value]) => [
        name as string,
        (value as string).replace(/\\(.)/g, (_, c: string) => (c === 'n' ? '\n' : c)),
      ]),
    )
    const value = Number(match[3])
    return Number.isFinite(value) ? [{ name: match[1] as string, labels, value }] : []
  })
}
