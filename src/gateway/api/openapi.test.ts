import { Hono } from 'hono'
import { expect, test } from 'vitest'
import { API_ROUTES, openApi } from './openapi.ts'
import { apiRoutes } from './routes.ts'

test('the document describes every existing path, and no other', () => {
  const app = new Hono()
  apiRoutes(app, { access: {}, sources: {}, approvals: {}, mode: 'local' } as never)
  const served = app.routes
    .map(({ method, path }) => `${method} ${path}`)
    .filter((route) => route !== 'GET /openapi.json')
  expect(served.sort()).toEqual([...API_ROUTES].sort())
})

test('every shape that it references exists', () => {
  const document = JSON.stringify(openApi('1', '/'))
  const { components } = JSON.parse(document) as { components: { schemas: Record<string, unknown> } }
  const named = new Set([...document.matchAll(/#\/components\/schemas\/(\w+)/g)].map(([, name]) => name))
  expect(named.size).toBeGreaterThan(5)
  for (const name of named) expect(components.schemas).toHaveProperty(name as string)
})
