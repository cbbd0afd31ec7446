/** The stability of the fleet over a span of time, and its report as text and as a page. */
import { findService } from '../../fleet/find-service.ts'
import type { IncidentRecord } from '../../fleet/incidents.ts'
import { type Stability, stabilityOf } from '../../fleet/stability.ts'
import type { FleetControl } from '../../ports/fleet.ts'
import type { Ledger } from '../../ports/ledger.ts'
import { incidentsSince } from './incident-log.ts'

const HOUR_MS = 3_600_000

/** The stability of services from `since` to `until`, in ms since 1970. */
export interface StabilityFacts {
  readonly since: number
  readonly until: number
  /** Targeted availability, 0 to 1. */
  readonly objective: number
  /** Those with most failures first, then by name. */
  readonly rows: readonly Stability[]
  /** In order of time. */
  readonly incidents: readonly IncidentRecord[]
}

/** The question of a stability report; `service`: only this one. */
export interface StabilityQuery {
  readonly hours: number
  readonly now: number
  readonly objective: number
  readonly service?: string | undefined
}

/**
 * The stability of all services, or of one, over the last hours. The span begins with the start of the fleet
 * at the earliest, and later if more incidents were recorded than are read. Throws `unknown-service`.
 */
export async function fleetStability(
  fleet: Pick<FleetControl, 'status'>,
  ledger: Pick<Ledger, 'incidents'>,
  { hours, now, objective, service }: StabilityQuery,
): Promise<StabilityFacts> {
  const { services, startedAt } = await fleet.status()
  const chosen = service === undefined ? services : [findService(services, service)]
  const start = Math.max(startedAt, Math.round(now - hours * HOUR_MS))
  const { since, incidents } = await incidentsSince(ledger, { since: start })
  const rows = chosen
    .map(({ id }) => stabilityOf(id, incidents, since, now, objective))
    .sort((a, b) => b.failures - a.failures || a.service.localeCompare(b.service))
  return { since, until: now, objective, rows, incidents }
}

const percent = (share: number) => `${(share * 100).toFixed(3)} %`
const duration = (ms: number | null) =>
  ms === null
    ? 'none'
    : ms < 1_000
      ? `${ms.toFixed(0)} ms`
      : ms < 120_000
        ? `${(ms / 1_000).toFixed(1)} s`
        : `${(ms / 60_000).toFixed(0)} min`

/** The report in one sentence. */
export function stabilitySummary({ since, until, objective, rows }: StabilityFacts): string {
  const failures = rows.reduce((sum, row) => sum + row.failures, 0)
  const worst = [...rows].sort((a, b) => a.availability - b.availability)[0]
  const flapping = rows.filter((row) => row.flapping).map((row) => row.service)
  return `${duration(until - since)} from ${new Date(since).toISOString()}: ${failures} failures over ${rows.length} services; aim ${percent(objective)}${worst ? `; lowest availability ${percent(worst.availability)} (${worst.service})` : ''}${flapping.length > 0 ? `; flapping: ${flapping.join(', ')}` : ''}.`
}

const COLUMNS = [
  'service',
  'failures',
  'recovered after',
  'between failures',
  'availability',
  'error budget used',
  'notes',
] as const

function cells(row: Stability): string[] {
  const notes = [
    row.flapping ? 'flapping' : '',
    row.leaks > 0 ? `${row.leaks} leaks` : '',
    row.isolations > 0 ? `isolated ${row.isolations} times` : '',
  ].filter((note) => note !== '')
  return [
    row.service,
    String(row.failures),
    duration(row.meanTimeToRecoveryMs),
    duration(row.meanTimeBetweenFailuresMs),
    percent(row.availability),
    percent(row.errorBudgetUsed),
    notes.join(', '),
  ]
}

/** The report in Markdown. */
export function stabilityMarkdown(facts: StabilityFacts): string {
  return [
    '# Stability',
    '',
    stabilitySummary(facts),
    '',
    `| ${COLUMNS.join(' | ')} |`,
    `|${COLUMNS.map(() => '---').join('|')}|`,
    ...facts.rows.map((row) => `| ${cells(row).join(' | ')} |`),
    '',
  ].join('\n')
}

const escapeHtml = (text: string) => text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
const [WIDTH, ROW, LEFT] = [860, 18, 250] as const

/** One line per service that failed: a mark per failure, placed by its time. */
function timeline({ since, until, incidents, rows }: StabilityFacts): string {
  const shown = rows.filter((row) => row.failures > 0)
  if (shown.length === 0) return '<p>Nothing failed.</p>'
  const at = (time: number) => LEFT + ((time - since) / Math.max(1, until - since)) * (WIDTH - LEFT - 10)
  const lines = shown.map((row, index) => {
    const y = index * ROW + 14
    const marks = incidents
      .filter((incident) => incident.services.includes(row.service))
      .map(
        (incident) =>
          `<circle cx="${at(incident.at).toFixed(1)}" cy="${y - 4}" r="3.5" class="${incident.kind === 'recovered' ? 'up' : 'down'}"><title>${escapeHtml(`${incident.kind}: ${incident.detail}`)}</title></circle>`,
      )
    return `<text x="0" y="${y}">${escapeHtml(row.service)}</text><line x1="${LEFT}" x2="${WIDTH - 10}" y1="${y - 4}" y2="${y - 4}"/>${marks.join('')}`
  })
  return `<svg viewBox="0 0 ${WIDTH} ${shown.length * ROW + 6}" role="img" aria-label="failures in time">${lines.join('')}</svg>`
}

/** The report as an HTML page with a plot of the failures in time. */
export function stabilityHtml(facts: StabilityFacts): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>Stability</title><style>
:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:.25rem .6rem;border-bottom:1px solid color-mix(in srgb,currentColor 18%,transparent)}
svg{width:100%;font-size:11px;fill:currentColor}svg line{stroke:currentColor;opacity:.2}.down{fill:#c2410c}.up{fill:#15803d}
</style><h1>Stability</h1><p>${escapeHtml(stabilitySummary(facts))}</p>${timeline(facts)}<table><thead><tr>${COLUMNS.map((column) => `<th>${column}</th>`).join('')}</tr></thead><tbody>${facts.rows
    .map(
      (row) =>
        `<tr>${cells(row)
          .map((cell) => `<td>${escapeHtml(cell)}</td>`)
          .join('')}</tr>`,
    )
    .join('')}</tbody></table></html>`
}
