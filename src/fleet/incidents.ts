/**
 * Incidents: the fleet's records of failures and repairs. Code decides by the kind; `detail` and `action` are
 * for people.
 */

interface IncidentMeaning {
  readonly meaning: string
  readonly level: 'info' | 'warn' | 'error'
  /** The services did not answer until they recovered. */
  readonly failure?: true
}

/** Every kind of incident, with its meaning and the level at which it is logged. */
export const INCIDENTS = {
  exited: { meaning: 'a process exited unexpectedly', level: 'warn', failure: true },
  quarantined: {
    meaning: 'a unit failed too often and is not restarted for a while',
    level: 'error',
    failure: true,
  },
  hung: { meaning: 'a process stopped responding', level: 'warn' },
  recovered: { meaning: 'a failed unit is healthy again', level: 'info' },
  'tried-again': { meaning: 'a quarantined unit starts on trial', level: 'info' },
  'not-reconnected': { meaning: 'a cell did not reconnect to a dependency in time', level: 'warn' },
  'stayed-unwell': {
    meaning: 'a cell stayed unhealthy although its dependencies are available',
    level: 'warn',
  },
  isolated: { meaning: 'services moved into a process of their own', level: 'warn' },
  home: { meaning: 'isolated services return to their cell', level: 'info' },
  restarted: { meaning: 'a planned restart', level: 'info' },
  leak: { meaning: 'a planned restart because memory leaks', level: 'warn' },
  'hand-over-failed': { meaning: 'the successor of a planned restart failed', level: 'warn' },
  warning: { meaning: 'a measured value left its normal range', level: 'warn' },
  scaled: { meaning: 'the number of instances changed', level: 'info' },
  'disk-low': { meaning: 'the disk of the data folder is almost full', level: 'warn' },
  'disk-recovered': { meaning: 'the disk of the data folder has space again', level: 'info' },
  'logs-rotated': { meaning: 'log files were truncated', level: 'info' },
  'file-repaired': { meaning: 'an unreadable file was restored', level: 'warn' },
  'file-broken': { meaning: 'an unreadable file could not be restored', level: 'error' },
  'prediction-violated': { meaning: 'a trade did not earn the predicted profit', level: 'error' },
  'external-lost': { meaning: 'an external service does not answer, or answers wrongly', level: 'warn' },
  'external-back': { meaning: 'an external service is available again', level: 'info' },
  alarm: { meaning: 'the fleet as a whole does not do what it is for', level: 'error' },
  'alarm-cleared': { meaning: 'an alarm is over', level: 'info' },
  'trading-halted': { meaning: 'trading is halted until it is resumed', level: 'warn' },
  'trading-resumed': { meaning: 'trading is no longer halted', level: 'info' },
  'transaction-stuck': {
    meaning: 'a transaction is not mined, and no higher fee is offered for it',
    level: 'warn',
  },
  'transaction-replaced': {
    meaning: 'a transaction that is not in the ledger used a nonce of ours',
    level: 'warn',
  },
  overload: {
    meaning: 'the machine gives the fleet much less CPU than it wants; load is shed',
    level: 'warn',
  },
  'overload-over': { meaning: 'the machine gives the fleet enough CPU again', level: 'info' },
  other: { meaning: 'recorded by another version of this program', level: 'info' },
} as const satisfies Record<string, IncidentMeaning>

/** The kind of an incident. */
export type IncidentKind = keyof typeof INCIDENTS

/** One incident, as it is published and stored. */
export interface IncidentRecord {
  /** The cell, the piece of infrastructure, or `fleet`. */
  readonly unit: string
  /** Ids of the affected services. */
  readonly services: readonly string[]
  readonly kind: IncidentKind
  /** The observation. */
  readonly detail: string
  /** The action taken; `none` for no action. */
  readonly action: string
  /** ms since 1970. */
  readonly at: number
  /** ms that the failure lasted, for `recovered`; else null. */
  readonly durationMs: number | null
}

/**
 * Earlier versions stored restarts because of leaks as `restarted`, with a detail that starts with this text.
 */
const EARLIER_LEAK = 'its memory grows by '

/**
 * The kind of a stored incident. Classifies records of earlier versions; `other` for kinds that this version
 * does not know.
 */
export function storedKind(kind: string, detail: string): IncidentKind {
  if (kind === 'restarted' && detail.startsWith(EARLIER_LEAK)) return 'leak'
  return isIncidentKind(kind) ? kind : 'other'
}

/** Whether services were unavailable from an incident of this kind on. */
export function isFailure(kind: IncidentKind): boolean {
  const { failure }: IncidentMeaning = INCIDENTS[kind]
  return failure === true
}

function isIncidentKind(kind: string): kind is IncidentKind {
  return Object.hasOwn(INCIDENTS, kind)
}

/** The action taken; empty for `none`. */
export const actionText = (action: string): string => (action === 'none' ? '' : action)

/** `exited: SIGKILL; restarting`; an incident that caused no action has none. */
export const incidentText = ({
  kind,
  detail,
  action,
}: Pick<IncidentRecord, 'kind' | 'detail' | 'action'>): string =>
  `${kind}: ${detail}${actionText(action) === '' ? '' : `; ${action}`}`
