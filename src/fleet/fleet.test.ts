import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { seededRandom } from '../std/random.ts'
import { CATALOGUE, catalogueEntry, titleOf } from './catalogue.ts'
import { HEALING, initialUnit, nextUnit, type UnitEvent, type UnitState } from './healing.ts'
import { cellsOf, servicesOf } from './profiles.ts'

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

  test('each service is in exactly one cell; what trades and the ways in are alone', () => {
    const cells = cellsOf(servicesOf('complete', all), 'cell')
    expect(cells.flatMap((cell) => cell.services).sort()).toEqual([...all].sort())
    for (const id of ['transaction_executor', 'coordination_system', 'dashboard']) expect(cells.find((cell) => cell.services.includes(id))?.services).toEqual([id])
    expect(cellsOf(servicesOf('complete', all), 'process')).toHaveLength(CATALOGUE.length)
  })
})

describe('the healing reducer', () => {
  const run = (events: readonly [number, UnitEvent][], policy = HEALING) => {
    let state: UnitState = initialUnit
    const effects: [number, string][] = []
    for (const [now, event] of events) {
      const step = nextUnit(state, event, now, policy, seededRandom(1))
      state = step.state
      for (const effect of step.effects) effects.push([now, effect.type])
    }
    return { state, effects }
  }
  const exited: UnitEvent = { type: 'exited', detail: 'killed' }

  test('a unit that ran and was killed is started at once, again and again', () => {
    const events: [number, UnitEvent][] = [
      [0, { type: 'start' }],
      [10, { type: 'up' }],
    ]
    for (let i = 1; i <= 5; i++) events.push([i * 3_000, exited], [i * 3_000 + 10, { type: 'up' }])
    const { state, effects } = run(events)
    expect(state.status).toBe('running')
    expect(effects).toEqual([0, 3_000, 6_000, 9_000, 12_000, 15_000].map((at) => [at, 'spawn']))
  })

  test('one that dies at once waits longer each time, is set aside, and is tried again', () => {
    let state: UnitState = nextUnit(initialUnit, { type: 'start' }, 0, HEALING, () => 0).state
    let now = 0
    const waits: number[] = []
    while (state.status !== 'quarantined') {
      state = nextUnit(state, { type: 'up' }, now, HEALING, () => 0).state
      const failed = nextUnit(state, exited, now + 10, HEALING, () => 0)
      state = failed.state
      now += 10
      if (state.status === 'backing-off') {
        waits.push(state.until - now)
        now = state.until
        state = nextUnit(state, { type: 'tick' }, now, HEALING, () => 0).state
      }
    }
    expect(waits).toEqual([100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800])
    expect(nextUnit(state, { type: 'tick' }, now + HEALING.quarantineMs - 1, HEALING, () => 0).effects).toEqual([])
    expect(nextUnit(state, { type: 'tick' }, now + HEALING.quarantineMs, HEALING, () => 0).effects).toEqual([{ type: 'spawn' }])
  })

  test('AUTO_RESTART off: reported, not restarted', () => {
    const { state, effects } = run(
      [
        [0, { type: 'start' }],
        [1, { type: 'up' }],
        [5_000, exited],
        [9_000, { type: 'tick' }],
      ],
      { ...HEALING, autoRestart: false },
    )
    expect(state).toMatchObject({ status: 'stopped', detail: expect.stringContaining('AUTO_RESTART') })
    expect(effects).toEqual([[0, 'spawn']])
  })

  test('a hung unit is killed, one that will not stop too', () => {
    expect(
      run([
        [0, { type: 'start' }],
        [1, { type: 'up' }],
        [9, { type: 'hung' }],
      ]).effects.at(-1),
    ).toEqual([9, 'kill'])
    const stopping = run([
      [0, { type: 'start' }],
      [1, { type: 'up' }],
      [10, { type: 'stop' }],
      [10 + HEALING.graceMs, { type: 'tick' }],
      [20_000, exited],
    ])
    expect(stopping.effects.map(([, type]) => type)).toEqual(['spawn', 'terminate', 'kill'])
    expect(stopping.state.status).toBe('stopped')
  })

  test('a planned restart comes back and is no failure', () => {
    const { state, effects } = run([
      [0, { type: 'start' }],
      [1, { type: 'up' }],
      [10, { type: 'restart' }],
      [20, exited],
    ])
    expect(effects.map(([, type]) => type)).toEqual(['spawn', 'terminate', 'spawn'])
    expect(state.failures).toEqual([])
  })

  test('whatever happens: at most one process at a time, no start storm, and calm brings it back', () => {
    const event = fc.oneof(
      { weight: 4, arbitrary: fc.constant<UnitEvent>({ type: 'tick' }) },
      { weight: 3, arbitrary: fc.constant<UnitEvent>(exited) },
      { weight: 3, arbitrary: fc.constant<UnitEvent>({ type: 'up' }) },
      fc.constantFrom<UnitEvent>({ type: 'start' }, { type: 'hung' }, { type: 'restart' }),
    )
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.integer({ min: 0, max: 5_000 }), event), { maxLength: 80 }), (script) => {
        let state: UnitState = initialUnit
        let now = 0
        let alive = false
        const spawns: number[] = []
        const apply = (next: UnitEvent) => {
          // The world: only a living process can exit or come up, a kill ends it.
          if ((next.type === 'exited' || next.type === 'up') && !alive) return
          if (next.type === 'exited') alive = false
          const step = nextUnit(state, next, now, HEALING, () => 0)
          state = step.state
          for (const effect of step.effects) {
            if (effect.type === 'spawn') {
              expect(alive).toBe(false)
              alive = true
              spawns.push(now)
            }
          }
        }
        for (const [wait, next] of script) {
          now += wait
          apply(next)
        }
        for (let i = 1; i < spawns.length - HEALING.most; i++) expect((spawns[i + HEALING.most] as number) - (spawns[i] as number)).toBeGreaterThan(0)
        if (state.status === 'stopped') apply({ type: 'start' })
        for (let i = 0; i < 100 && state.status !== 'running'; i++) {
          now += 5_000
          apply({ type: 'tick' })
          if (state.status === 'stopping') apply(exited)
          apply({ type: 'up' })
        }
        expect(state.status).toBe('running')
      }),
      { numRuns: 500 },
    )
  })
})
