/** Spans and metrics as a collector receives them: one trace through client, gateway, service and the service that it calls. */
import type { Server } from 'node:http'
import { createAdaptorServer } from '@hono/node-server'
import { afterAll, expect, test } from 'vitest'
import { DEFAULT_BALANCING, Dispatch } from '../src/adapters/dispatch/dispatcher.ts'
import { fleetControl } from '../src/adapters/fleet/fleet-control.ts'
import { OpenTelemetry } from '../src/adapters/telemetry/open-telemetry.ts'
import { Directory } from '../src/gateway/mcp/directory.ts'
import { mcpEndpoint } from '../src/gateway/mcp/endpoint.ts'
import { MetaTools } from '../src/gateway/mcp/meta-tools.ts'
import { Sessions } from '../src/gateway/mcp/sessions.ts'
import { defineServer } from '../src/mcp/define.ts'
import { ANONYMOUS, LOOPBACK_NAMES } from '../src/mcp/host/access.ts'
import { host } from '../src/mcp/host/host.ts'
import type { ServiceDefinitions } from '../src/ports/definitions.ts'
import type { ServiceStatus } from '../src/ports/fleet.ts'
import { KintsugiError } from '../src/std/errors.ts'
import { hostOptions } from './support/host-options.ts'
import { freePort } from './support/local-chain.ts'
import { MemoryBus } from './support/memory-bus.ts'

interface Span {
  traceId: string
  spanId: string
  parentSpanId?: string
  name: string
  kind: number
  attributes: { key: string; value: { stringValue?: string } }[]
  status: { code?: number }
}

const servers: Server[] = []
const serve = async (
  fetch: (request: Request, env: never) => Response | Promise<Response>,
): Promise<number> => {
  const port = await freePort()
  const server = createAdaptorServer({ fetch: fetch as never }) as Server
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return port
}
afterAll(() => {
  for (const server of servers) {
    server.closeAllConnections()
    server.close()
  }
})

test('a call is one trace through every hop, with the semantic conventions; a failed span has the error code', async () => {
  const spans: (Span & { instance: string })[] = []
  const metrics = new Set<string>()
  const collector = await serve(async (request) => {
    const body = (await request.json()) as never
    if (new URL(request.url).pathname === '/v1/traces')
      for (const { resource, scopeSpans } of (
        body as {
          resourceSpans: { resource: { attributes: Span['attributes'] }; scopeSpans: { spans: Span[] }[] }[]
        }
      ).resourceSpans)
        for (const span of scopeSpans.flatMap((scope) => scope.spans))
          spans.push({
            ...span,
            instance:
              resource.attributes.find(({ key }) => key === 'service.instance.id')?.value.stringValue ?? '',
          })
    else
      for (const { scopeMetrics } of (
        body as { resourceMetrics: { scopeMetrics: { metrics: { name: string }[] }[] }[] }
      ).resourceMetrics)
        for (const scope of scopeMetrics) for (const { name } of scope.metrics) metrics.add(name)
    return Response.json({})
  })
  const telemetry = ['gateway', 'front', 'back'].map(
    (instance) => new OpenTelemetry({ endpoint: `http://127.0.0.1:${collector}/`, version: '1', instance }),
  )
  const [ofGateway, ofFront, ofBack] = telemetry as [OpenTelemetry, OpenTelemetry, OpenTelemetry]
  const access = { tokenHash: undefined, required: false, beyondLoopback: false, hostnames: LOOPBACK_NAMES }
  const ports: Record<string, number> = {}
  const shared = hostOptions({ access })
  const words = { input: {}, output: {}, examples: [{}] }
  const fleet = fleetControl({
    socketPath: '/nowhere',
    portOf: (service) => ports[service],
    bearer: () => undefined,
  })
  const back = defineServer({
    id: 'back',
    needs: [],
    tools: ({ read }) => ({
      fail: read({
        description: 'fails',
        ...words,
        run: () => {
          throw new KintsugiError('not-found', 'nothing is here')
        },
      }),
    }),
  })
  const front = defineServer({
    id: 'front',
    needs: [],
    tools: ({ read }) => ({
      pass_on: read({
        description: 'calls another service',
        ...words,
        run: async () => {
          await fleet
            .call({ service: 'back', tool: 'fail', arguments: {}, effect: 'read' })
            .catch(() => undefined)
          return {}
        },
      }),
    }),
  })
  ports.back = await serve(host(back, {} as never, { ...shared, telemetry: ofBack }).app.fetch)
  ports.front = await serve(host(front, {} as never, { ...shared, telemetry: ofFront }).app.fetch)
  const directory = new Directory({
    now: Date.now,
    fetchDefinitions: async (service) =>
      (await (await fetch(`http://127.0.0.1:${ports[service]}/definitions`)).json()) as ServiceDefinitions,
    onChange: () => undefined,
  })
  await directory.follow([
    { id: 'front', kind: 'server', pid: 1, port: ports.front, status: 'healthy' } as unknown as ServiceStatus,
  ])
  const endpoint = mcpEndpoint({
    directory,
    meta: new MetaTools(directory),
    dispatch: new Dispatch({
      portsOf: (id) => [ports[id] as number],
      strategyOf: () => DEFAULT_BALANCING,
      now: () => performance.now(),
    }),
    sessions: new Sessions(new MemoryBus(), undefined, Date.now),
    access,
    bearer: () => undefined,
    version: '1',
    timeoutMs: 5_000,
    now: Date.now,
    telemetry: ofGateway,
  })
  const gateway = await serve((request, env) => endpoint.fetch(request, ANONYMOUS, env))
  const trace = 'ab'.repeat(16)
  const response = await fetch(`http://127.0.0.1:${gateway}/mcp`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': 'tools/call',
      'mcp-name': 'front__pass_on',
      traceparent: `00-${trace}-${'cd'.repeat(8)}-01`,
    },
    body: JSON.stringify({
      jsonrpc: '2.0',
      id: 7,
      method: 'tools/call',
      params: {
        name: 'front__pass_on',
        arguments: {},
        _meta: {
          'io.modelcontextprotocol/protocolVersion': '2026-07-28',
          'io.modelcontextprotocol/clientCapabilities': {},
        },
      },
    }),
  })
  expect(await response.json()).toMatchObject({ result: { structuredContent: {} } })
  await Promise.all(telemetry.map((each) => each.close()))
  expect(new Set(spans.map(({ traceId }) => traceId))).toEqual(new Set([trace]))
  const [SERVER, CLIENT] = [2, 3]
  const of = (instance: string, kind: number) =>
    spans.find((span) => span.instance === instance && span.kind === kind) as Span
  const chain = [of('gateway', SERVER), of('gateway', CLIENT), of('front', SERVER)]
  expect(chain.map(({ parentSpanId }) => parentSpanId)).toEqual([
    'cd'.repeat(8),
    chain[0]?.spanId,
    chain[1]?.spanId,
  ])
  expect(chain.map(({ name }) => name)).toEqual(Array.from({ length: 3 }, () => 'tools/call pass_on'))
  const attributes = Object.fromEntries(
    chain[0]?.attributes.map(({ key, value }) => [key, value.stringValue]) ?? [],
  )
  expect(attributes).toMatchObject({
    'mcp.method.name': 'tools/call',
    'gen_ai.tool.name': 'pass_on',
    'gen_ai.operation.name': 'execute_tool',
    'mcp.protocol.version': '2026-07-28',
    'jsonrpc.request.id': '7',
  })
  const failed = of('back', SERVER)
  expect(failed.status.code).toBe(2)
  expect(failed.attributes).toContainEqual({ key: 'error.type', value: { stringValue: 'not-found' } })
  expect(metrics).toEqual(new Set(['mcp.server.operation.duration', 'mcp.client.operation.duration']))
})
