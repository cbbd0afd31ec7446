/** Incidents as people read them. */
import type { Incident } from '../ports/fleet.ts'

/** `exited: SIGKILL; restarting`; an incident that caused no action has none. */
export const incidentText = ({
  kind,
  detail,
  action,
}: Pick<Incident, 'kind' | 'detail' | 'action'>): string =>
  `${kind}: ${detail}${actionText(action) === '' ? '' : `; ${action}`}`

/** The action taken; empty for `none`. */
export const actionText = (action: string): string => (action === 'none' ? '' : action)
