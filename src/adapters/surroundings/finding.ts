/** Findings about the surroundings of a fleet: external services and the machine. */

/** What a check found. */
export interface Finding {
  /** A fault ends a start; a warning is only shown. */
  readonly level: 'ok' | 'warning' | 'fault'
  /** The setting, such as `REDIS_URL`, or the part of the machine, such as `disk`. */
  readonly subject: string
  /** Its value, secrets masked; empty if it has none. */
  readonly value: string
  readonly found: string
  /** What to do; absent if nothing is wrong. */
  readonly advice?: string
}

/** A finding as one sentence: the setting, its value, what was found and what to do. */
export const findingText = ({ subject, value, found, advice }: Finding): string =>
  `${subject}${value === '' ? '' : ` ${value}`}: ${found}${advice === undefined ? '' : `; ${advice}`}`
