import { expect, test } from 'vitest'
import { hostOptions } from '../../test/support/host-options.ts'
import { mainApp } from './sources.ts'

test('a main service serves its uptime at /metrics', async () => {
  let now = 1_000
  const { access } = hostOptions()
  const app = mainApp('coordination_system', {
    access,
    now: () => now,
    plan: { version: '1' },
    readiness: async () => undefined,
  })
  now += 4_500
  const response = await app.request('/metrics', { headers: { host: 'localhost' } })
  expect(response.status).toBe(200)
  expect(response.headers.get('content-type')).toContain('text/plain')
  expect(await response.text()).toContain('kintsugi_uptime_seconds{service="coordination_system"} 4.5')
})
