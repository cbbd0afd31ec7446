/** Further instances of a service, each a unit of its own named `SERVICE#2`, `SERVICE#3`, ... */
import type { Draft } from './draft.ts'
import { startNew, terminate } from './lifecycle.ts'
import { isRunning } from './state.ts'

/** Starts or removes instances until a service has `instances` of them, its first one included. */
export function scale(draft: Draft, service: string, instances: number): void {
  const first = draft.unitHosting(service)
  if (!first) return
  const wanted = new Set<string>()
  for (let instance = 2; instance <= instances; instance++) {
    const id = `${service}#${instance}`
    wanted.add(id)
    if (!draft.units[id]) startNew(draft, { ...first.spec, id, services: [service], instance })
  }
  for (const unit of Object.values(draft.units)) {
    const { spec, state } = unit
    if (spec.instance === undefined || spec.services[0] !== service || wanted.has(spec.id)) continue
    if (isRunning(state)) terminate(draft, unit, 'remove')
    else if (state.status !== 'stopping') draft.remove(spec.id)
  }
}
