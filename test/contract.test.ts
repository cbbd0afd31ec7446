/**
 * What holds for every tool of every server and agent, in memory: examples succeed, refusals fail with their code, answers
 * match their schemas, wrong fields are named, tokens with a narrower scope are refused. Numbers are the specs' business.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CATALOGUE, definitionPath } from '../src/fleet/catalogue/catalogue.ts'
import { ToolContent } from '../src/mcp/content.ts'
import type { AnyDefinition, HostScope, ServiceDefinition, Tool } from '../src/mcp/define.ts'
import { toolCalls } from '../src/mcp/host/examples.ts'
import { listTool } from '../src/mcp/schema.ts'
import { SERVICE_NEEDS } from '../src/processes/services.gen.ts'
import { toErrorReport } from '../src/std/errors.ts'
import { type Harness, harness } from './support/harness.ts'
import { unitlessNumbers, wrongValues } from './support/schema-cases.ts'
import { busyWorld } from './support/world/busy.ts'

/** A model reads an answer whole: no read tool exceeds this at its example. */
const MAX_ANSWER_CHARACTERS = 4_000

const root = join(import.meta.dirname, '..')
const definitions: ServiceDefinition[] = []
let mains = 0
for (const entry of CATALOGUE) {
  const path = join(root, definitionPath(entry))
  if (!existsSync(path)) continue
  const definition = (await import(path)).default as AnyDefinition
  if (definition.kind === 'main') mains++
  else definitions.push(definition)
}

test('the suite covers every server and agent that is built', () => {
  expect(definitions.length + mains).toBe(Object.keys(SERVICE_NEEDS).length)
})

/** Frozen: approvals, retries and clients rely on these facts of every tool that changes something or reaches outside. */
const FACTS: Readonly<Record<string, string>> = {
  aave_flash_loan_mcp_server__execute_flash_loan_arbitrage: 'spend',
  profit_optimizer_mcp_server__set_profit_targets: 'write idempotent',
  working_flash_loan_mcp__execute_arbitrage: 'spend',
  mcp_risk_manager_server__halt_trading: 'write idempotent',
  mcp_risk_manager_server__resume_trading: 'write critical',
  mcp_auth_manager_server__issue_token: 'write',
  mcp_auth_manager_server__revoke_token: 'write destructive idempotent',
  mcp_auth_manager_server__rotate_keys: 'write destructive',
  mcp_integration_bridge__connect_server: 'write open-world critical',
  mcp_integration_bridge__call_connected_tool: 'write open-world',
  mcp_integration_bridge__approve_definition: 'write idempotent critical',
  mcp_integration_bridge__disconnect_server: 'write destructive',
  mcp_coordinator_server__coordinate: 'write',
  mcp_coordinator_server__cancel_task: 'write destructive idempotent',
  unified_mcp_coordinator__cascade_restart: 'write',
  enhanced_mcp_server_manager__scale_service: 'write idempotent',
  enhanced_mcp_server_manager__scaling_policy: 'write idempotent',
  enhanced_mcp_server_manager__balancing_strategy: 'write idempotent',
  mcp_server_manager__start_server: 'write idempotent',
  mcp_server_manager__stop_server: 'write destructive idempotent',
  mcp_server_manager__restart_server: 'write',
  organize_mcp_servers__tag_server: 'write idempotent',
  transaction_executor__execute_opportunity: 'spend',
  self_healing_agent__heal_service: 'write idempotent',
}

test('the facts of tools that change something or reach outside are as they were reviewed', () => {
  const facts = definitions.flatMap(({ id, tools }) =>
    Object.entries(tools).flatMap(([name, { effect, destructive, idempotent, openWorld, critical }]) => {
      const words = [
        effect,
        destructive && 'destructive',
        idempotent && 'idempotent',
        openWorld && 'open-world',
        critical && 'critical',
      ]
      return effect === 'read' && !openWorld ? [] : [[`${id}__${name}`, words.filter(Boolean).join(' ')]]
    }),
  )
  expect(Object.fromEntries(facts)).toEqual(FACTS)
})

describe.each(definitions.map((definition) => [definition.id, definition] as const))(
  '%s',
  (_, definition) => {
    let h: Harness
    beforeAll(async () => {
      const { world, ports } = await busyWorld()
      h = await harness(definition, { world, ports })
    })
    afterAll(() => h.stop())
    const scope = () => ({ ...h.ports, state: h.state as never, now: h.world.now }) as HostScope

    describe.each(Object.entries(definition.tools))('%s', (name, tool: Tool) => {
      const given = async () => (await toolCalls(tool, scope())).examples[0] ?? {}

      test('its examples succeed and fit a model', async () => {
        const { examples } = await toolCalls(tool, scope())
        expect(examples.length + (tool.refusals?.length ?? 0)).toBeGreaterThan(0)
        for (const example of examples) {
          const answer = await h.hosted.call(name, example, CALLER)
          const text = JSON.stringify(answer instanceof ToolContent ? answer.blocks : answer)
          if (tool.effect === 'read')
            expect(text.length, text.slice(0, 300)).toBeLessThanOrEqual(MAX_ANSWER_CHARACTERS)
        }
      })

      test('its refusals fail with exactly their code', async () => {
        for (const { arguments: args, code } of (await toolCalls(tool, scope())).refusals)
          expect([args, (await h.refusal(name, args)).code]).toEqual([args, code])
      })

      test('a wrong value of each field is refused, and the field named', async () => {
        const { inputSchema } = listTool(name, tool)
        for (const { field, value } of wrongValues(inputSchema)) {
          const error = await h.hosted
            .call(name, { ...(await given()), [field]: value }, CALLER)
            .then(() => undefined, toErrorReport)
          expect([field, error?.code]).toEqual([field, 'bad-argument'])
          expect(error?.message).toContain(field)
        }
      })

      if (!tool.inputSchema)
        test('an undeclared field is refused by name, and the schema says so', async () => {
          expect(listTool(name, tool).inputSchema.additionalProperties).toBe(false)
          const error = await h.refusal(name, { ...(await given()), nonsense: 1 })
          expect([error.code, error.message]).toEqual(['bad-argument', expect.stringContaining('nonsense')])
        })

      test('its words are for people and models; every number has a unit', () => {
        const listing = listTool(name, tool)
        expect(listing.description.length).toBeGreaterThan(30)
        expect(listing.inputSchema.type).toBe('object')
        expect(unitlessNumbers(listing.inputSchema, listing.outputSchema ?? {})).toEqual([])
      })

      if (tool.effect !== 'read' || tool.guarded)
        test('a caller without the scope is refused', async () => {
          const reader = { name: 'reader', scopes: tool.effect === 'read' ? [] : ['read'] }
          const error = await h.hosted.call(name, await given(), reader).then(() => undefined, toErrorReport)
          expect(['token-required', 'insufficient-scope']).toContain(error?.code)
        })
    })
  },
)

const CALLER = { name: 'contract', scopes: ['spend'] }
