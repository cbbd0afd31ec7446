import { describe, expect, test } from 'vitest'
import { BLIND_DEADLINE_MS, HEARTBEAT_DEADLINE_MS, Heartbeats } from './heartbeat.ts'
import { type ThreadFacts, waitedBetween } from './waiting.ts'

/** A process that a test drives: it runs, waits and sleeps as told, and the kernel accounts for it. */
class Thread {
  state: ThreadFacts['state'] = 'asleep'
  ranMs = 100
  waitedMs = 50
  /** A wait that is not over, which the kernel does not show. */
  pendingMs = 0
  hidden = false

  facts = (): ThreadFacts | undefined =>
    this.hidden ? undefined : { state: this.state, ranMs: this.ranMs, waitedMs: this.waitedMs }
}

function listenTo(...threads: Thread[]) {
  let now = 1_000
  const heartbeats = new Heartbeats({ now: () => now, factsOf: (name) => threads[Number(name)]?.facts() })
  for (const index of threads.keys()) {
    heartbeats.begin(String(index))
    heartbeats.heard(String(index))
  }
  /** Time passes in steps, as between two ticks of the supervisor. */
  const pass = (ms: number, step: (stepMs: number) => void = () => undefined, every = 250) => {
    for (let left = ms; left > 0; left -= every) {
      const stepMs = Math.min(every, left)
      now += stepMs
      step(stepMs)
      heartbeats.account()
    }
  }
  return { heartbeats, pass, at: () => now }
}

const wait = (thread: Thread) => (ms: number) => {
  thread.state = 'runnable'
  thread.pendingMs += ms
}
const run = (thread: Thread) => (ms: number) => {
  thread.state = 'runnable'
  thread.waitedMs += thread.pendingMs
  thread.pendingMs = 0
  thread.ranMs += ms
}
const sleep = (thread: Thread) => () => {
  thread.state = 'asleep'
  thread.waitedMs += thread.pendingMs
  thread.pendingMs = 0
}

describe('a process without heartbeats', () => {
  test.each([
    ['sleeps', sleep],
    ['spins on a CPU of its own', run],
    ['is stopped', (thread: Thread) => () => void (thread.state = 'stopped')],
  ] as const)('that %s hangs after 2.5 s, and not before', (_name, does) => {
    const thread = new Thread()
    const { heartbeats, pass } = listenTo(thread)
    pass(2_499, does(thread))
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(1, does(thread))
    expect(heartbeats.overdue('0')).toMatchObject({ silentMs: 2_500, stopped: thread.state === 'stopped' })
  })

  test('that waits for a CPU is not hung, however long', () => {
    const thread = new Thread()
    const { heartbeats, pass } = listenTo(thread)
    pass(120_000, wait(thread))
    expect(heartbeats.overdue('0')).toBeUndefined()
    // The wait is over: the kernel adds it now, and it is not counted twice.
    run(thread)(1)
    pass(2_400, sleep(thread))
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(250, sleep(thread))
    expect(heartbeats.overdue('0')).toMatchObject({ silentMs: 122_650, waitedMs: 120_000 })
  })

  test('that spins on a tenth of a CPU hangs once it had 2.5 s of it', () => {
    const thread = new Thread()
    const { heartbeats, pass } = listenTo(thread)
    const share = (ms: number) => {
      wait(thread)(ms * 0.9)
      run(thread)(ms * 0.1)
    }
    pass(24_500, share)
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(1_000, share)
    expect(heartbeats.overdue('0')).toBeDefined()
  })

  test('that is silent on a platform without facts gets a longer deadline', () => {
    const thread = new Thread()
    thread.hidden = true
    const { heartbeats, pass } = listenTo(thread)
    pass(BLIND_DEADLINE_MS - 1)
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(1)
    expect(heartbeats.overdue('0')).toBeDefined()
    expect(BLIND_DEADLINE_MS).toBeGreaterThan(HEARTBEAT_DEADLINE_MS * 3)
  })

  test('that has not sent one yet has 15 s', () => {
    const { heartbeats, pass } = listenTo()
    heartbeats.begin('new')
    pass(14_999)
    expect(heartbeats.overdue('new')).toBeUndefined()
    pass(1)
    expect(heartbeats.overdue('new')).toBeDefined()
  })

  test('is excused for as long as the supervisor itself was late', () => {
    const thread = new Thread()
    const { heartbeats, pass } = listenTo(thread)
    heartbeats.late(10_000)
    pass(10_000, sleep(thread), 10_000)
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(2_400)
    expect(heartbeats.overdue('0')).toBeUndefined()
    pass(100)
    expect(heartbeats.overdue('0')).toBeDefined()
  })

  test('is in time again after a heartbeat', () => {
    const thread = new Thread()
    const { heartbeats, pass, at } = listenTo(thread)
    pass(2_000)
    heartbeats.heard('0')
    expect(heartbeats.nextDueAt()).toBe(at() + 2_500)
    pass(2_000)
    expect(heartbeats.overdue('0')).toBeUndefined()
    heartbeats.forget('0')
    pass(60_000)
    expect(heartbeats.overdue('0')).toBeUndefined()
    expect(heartbeats.nextDueAt()).toBe(Number.POSITIVE_INFINITY)
  })
})

test('the fleet had to wait as long as the process that waited longest', () => {
  const [calm, starved] = [new Thread(), new Thread()]
  const { heartbeats, pass } = listenTo(calm, starved)
  pass(1_000, sleep(calm))
  expect(heartbeats.lostMs).toBe(0)
  pass(500, wait(starved))
  expect(heartbeats.lostMs).toBe(500)
  pass(500, (ms) => {
    wait(calm)(ms / 5)
    run(calm)(ms / 5)
    sleep(calm)()
    wait(starved)(ms / 2)
    run(starved)(ms / 2)
  })
  expect(heartbeats.lostMs).toBe(750)
  // The supervisor was late while nobody waited.
  sleep(starved)()
  heartbeats.late(300)
  pass(400, undefined, 400)
  expect(heartbeats.lostMs).toBe(1_050)
})

describe('waiting between two observations', () => {
  const facts = (state: ThreadFacts['state'], ranMs: number, waitedMs: number): ThreadFacts => ({
    state,
    ranMs,
    waitedMs,
  })

  test.each([
    ['asleep all the time', facts('asleep', 10, 5), 0],
    ['ran 300, then slept', facts('asleep', 310, 5), 0],
    ['waited 400, ran 100, slept', facts('asleep', 110, 405), 400],
    ['runnable, ran 100', facts('runnable', 110, 5), 900],
    ['ran all the time', facts('runnable', 1_010, 5), 0],
    ['a wait that began long before ends', facts('asleep', 110, 9_005), 900],
    ['another process with the same pid', facts('asleep', 1, 1), 0],
  ])('%s', (_name, after, expected) => {
    expect(waitedBetween(facts('asleep', 10, 5), after, 1_000).waitedMs).toBe(expected)
  })
})
