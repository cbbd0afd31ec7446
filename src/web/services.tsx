/** The services by group, each with its state; a toggle shows the unhealthy ones only. */
import { useState } from 'react'
import type { ServiceView, StatusView } from '../gateway/api/schema.ts'
import { ago } from './format.ts'

export function Services({ status, now }: { status: StatusView | undefined; now: number }) {
  const [onlyUnhealthy, setOnlyUnhealthy] = useState(false)
  if (!status) return null
  const groups: [string, Record<string, ServiceView>][] = [
    ['Main', status.main],
    ['Agents', status.agents],
    ['Servers', status.servers],
    ['Infrastructure', status.infrastructure],
  ]
  const all = groups.flatMap(([, services]) => Object.values(services))
  const unhealthy = all.filter((service) => service.status !== 'healthy').length
  return (
    <section className="card">
      <h2>
        Services{' '}
        <small>
          {all.length - unhealthy} of {all.length} healthy
        </small>
        <button
          type="button"
          className="toggle"
          aria-pressed={onlyUnhealthy}
          onClick={() => setOnlyUnhealthy(!onlyUnhealthy)}
        >
          only unhealthy
        </button>
      </h2>
      {onlyUnhealthy && unhealthy === 0 && <p className="empty">No service is unhealthy.</p>}
      <div className="groups">
        {groups.map(([title, services]) => {
          const shown = Object.entries(services).filter(
            ([, service]) => !onlyUnhealthy || service.status !== 'healthy',
          )
          if (shown.length === 0) return null
          return (
            <div key={title}>
              <h3>{title}</h3>
              <ul className="services">
                {shown.map(([id, service]) => (
                  <li key={id} className={`state-${service.status}`} title={service.detail ?? service.status}>
                    <i aria-hidden="true" />
                    <span className="name">{id}</span>
                    <span className="meta">
                      {service.port !== null && <span className="port">:{service.port} · </span>}
                      {service.status === 'healthy'
                        ? service.since === null
                          ? 'up'
                          : `up ${ago(service.since, now)}`
                        : service.status}
                      {service.restarts > 0 && <b title="restarts"> · ↻ {service.restarts}</b>}
                    </span>
                    {service.detail && <span className="detail">{service.detail}</span>}
                  </li>
                ))}
              </ul>
            </div>
          )
        })}
      </div>
    </section>
  )
}
