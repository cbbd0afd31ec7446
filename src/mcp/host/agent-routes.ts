/** HTTP routes of an agent: its decisions, tasks for it, its own endpoints and its agent card. */
import type { Context, Hono } from 'hono'
import { KintsugiError } from '../../std/errors.ts'
import { toPlain } from '../../std/json.ts'
import type { RunningAgent, ServiceDefinition } from '../define.ts'
import { type AccessPolicy, authorize } from './access.ts'
import { readJsonObject } from './request-body.ts'

/** Access policy of an agent's routes, and the fields of its card. */
export interface AgentRouteOptions {
  readonly access: AccessPolicy
  readonly title: string
  readonly version: string
  /** Port of the service, for the agent card. */
  readonly port: number
}

const MAX_DECISIONS = 200
const DEFAULT_DECISIONS = 20

/** Adds the routes to an app made by `guardedApp`. */
export function agentRoutes(
  app: Hono,
  definition: ServiceDefinition,
  agent: RunningAgent,
  options: AgentRouteOptions,
): void {
  const requireWrite = (c: Context) =>
    authorize(options.access, c.var.caller, { effect: 'write', service: definition.id })
  app.get('/decisions', async (c) => {
    const limit = Number(c.req.query('limit') ?? DEFAULT_DECISIONS)
    if (!Number.isInteger(limit) || limit < 1 || limit > MAX_DECISIONS)
      throw new KintsugiError(
        'bad-argument',
        `limit: expected a whole number from 1 to ${MAX_DECISIONS} (got ${JSON.stringify(c.req.query('limit'))})`,
      )
    return c.json({ decisions: toPlain(await agent.decisions(limit)) })
  })
  app.post('/coordinate', async (c) => {
    requireWrite(c)
    const body = await readJsonObject(c.req.raw)
    if (!agent.coordinate) throw new KintsugiError('not-supported', `${definition.id} accepts no tasks`)
    const { description, arguments: args } = body
    if (typeof description !== 'string' || description === '')
      throw new KintsugiError('bad-argument', 'description: expected the task as text (got nothing)')
    const task = { description, arguments: (args as Record<string, unknown> | undefined) ?? {} }
    return c.json({ result: toPlain(await agent.coordinate(task)) })
  })
  for (const [address, answer] of Object.entries(agent.endpoints ?? {})) {
    const [method, path] = address.split(' ') as ['GET' | 'POST', string]
    app.on(method, path, async (c) => {
      if (method === 'GET') return c.json(toPlain(await answer(c.req.query())) as Record<string, unknown>)
      requireWrite(c)
      return c.json(toPlain(await answer(await readJsonObject(c.req.raw))) as Record<string, unknown>)
    })
  }
  app.get('/.well-known/agent-card.json', (c) => c.json(agentCard(definition, options)))
}

/** The card by which other agents find this one (A2A). */
function agentCard(definition: ServiceDefinition, { title, version, port }: AgentRouteOptions) {
  return {
    protocolVersion: '1.0',
    name: title,
    description: definition.kind === 'agent' ? definition.duty : '',
    version,
    supportedInterfaces: [
      {
        url: `http://127.0.0.1:${port}/coordinate`,
        protocolBinding: 'HTTP+JSON',
        protocolVersion: '1.0',
      },
    ],
    capabilities: { streaming: false, pushNotifications: false },
    defaultInputModes: ['application/json'],
    defaultOutputModes: ['application/json'],
    skills: Object.entries(definition.tools).map(([name, tool]) => ({
      id: name,
      name: name.replaceAll('_', ' '),
      description: tool.description,
      tags: [tool.effect],
    })),
  }
}
