import { describe, expect, test } from 'vitest'
import { CATALOGUE, catalogueEntry, titleOf } from './catalogue/catalogue.ts'
import { cellsOf, servicesOf } from './catalogue/profiles.ts'

describe('the catalogue', () => {
  test('81 servers, 11 agents, and ids and ports that are unique', () => {
    expect(CATALOGUE.filter((entry) => entry.kind === 'server')).toHaveLength(81)
    expect(CATALOGUE.filter((entry) => entry.kind === 'agent')).toHaveLength(11)
    expect(new Set(CATALOGUE.map((entry) => entry.id)).size).toBe(CATALOGUE.length)
    expect(new Set(CATALOGUE.map((entry) => entry.port)).size).toBe(CATALOGUE.length)
  })

  test('pins: ports that users have in their configurations', () => {
    const pinned = {
      mcp_price_feed_server: 8091,
      mcp_server_trainer: 8047,
      mcp_arbitrage_server: 8073,
      'check-mcp-status': 8055,
      check_mcp_status: 8056,
      self_healing_agent: 8300,
      flash_loan_optimizer: 9001,
      coordination_system: 8000,
      dashboard: 8080,
    }
    for (const [id, port] of Object.entries(pinned)) expect(catalogueEntry(id).port).toBe(port)
    expect(() => catalogueEntry('nobody')).toThrow(RangeError)
    expect(titleOf('mcp_price_feed_server')).toBe('MCP price feed server')
  })
})

describe('profiles and cells', () => {
  const all = CATALOGUE.map((entry) => entry.id)
  test('the small system has five servers and all agents', () => {
    const small = servicesOf('test-complete', all)
    expect(small.filter((entry) => entry.kind === 'server')).toHaveLength(5)
    expect(small.filter((entry) => entry.kind === 'agent')).toHaveLength(11)
    expect(servicesOf('complete', all)).toHaveLength(CATALOGUE.length)
  })

  test('each service is in exactly one cell; trading services and entry points have a process of their own', () => {
    const cells = cellsOf(servicesOf('complete', all), 'cell')
    expect(cells.flatMap((cell) => cell.services).sort()).toEqual([...all].sort())
    for (const id of ['transaction_executor', 'coordination_system', 'dashboard'])
      expect(cells.find((cell) => cell.services.includes(id))?.services).toEqual([id])
    expect(cellsOf(servicesOf('complete', all), 'process')).toHaveLength(CATALOGUE.length)
  })
})
