/** The traces of `kintsugi test --with-writes`: tokens and isolations, which are undone at its end. */
import { setTimeout as sleep } from 'node:timers/promises'
import { askPatiently } from '../adapters/fleet/control-client.ts'
import type { ServiceStatus } from '../ports/fleet.ts'
import { type RunPlan, socketPath } from '../processes/run/run-plan.ts'
import { KintsugiError } from '../std/errors.ts'
import { request } from './run.ts'

/** The name under which the test calls. */
const CALLER = 'kintsugi test'
const AUTH = 'mcp_auth_manager_server'
/** A service that the test stopped may start first, and its cell may be replaced. */
const HOME_TIMEOUT_MS = 30_000
const POLL_MS = 200
const MAX_TOKENS = 1_000

/** What there was before the test, and its own token. */
export class Traces {
  readonly #plan: RunPlan
  readonly #tokens: ReadonlySet<string>
  readonly #isolated: ReadonlySet<string>
  /** The token of the test. */
  readonly token: string

  private constructor(
    plan: RunPlan,
    tokens: ReadonlySet<string>,
    isolated: ReadonlySet<string>,
    token: string,
  ) {
    this.#plan = plan
    this.#tokens = tokens
    this.#isolated = isolated
    this.token = token
  }

  /** Remembers what there is, and issues the test's token. Throws what the requests throw. */
  static async before(plan: RunPlan): Promise<Traces> {
    const tokens = await validTokens(plan)
    const isolated = (await servicesOf(plan)).filter(({ home }) => home !== undefined)
    const { token } = await callTool<{ token: string }>(plan, 'issue_token', {
      subject: CALLER,
      role: 'admin',
      hours: 1,
    })
    return new Traces(plan, new Set(tokens), new Set(isolated.map(({ id }) => id)), token)
  }

  /**
   * Revokes the tokens issued since, and returns isolated services to their cells. Throws `restart-timeout`.
   */
  async undo(): Promise<void> {
    for (const id of await validTokens(this.#plan))
      if (!this.#tokens.has(id)) await callTool(this.#plan, 'revoke_token', { id })
    const deadline = performance.now() + HOME_TIMEOUT_MS
    const moved = new Set<string>()
    for (;;) {
      const services = await servicesOf(this.#plan)
      for (const { id, home } of services) if (home !== undefined && !this.#isolated.has(id)) moved.add(id)
      const unsettled = services.filter(
        ({ id, home, status }) => moved.has(id) && (home !== undefined || status !== 'healthy'),
      )
      if (unsettled.length === 0) return
      if (performance.now() > deadline)
        throw new KintsugiError(
          'restart-timeout',
          `${unsettled.map(({ id }) => id).join(', ')} did not return to its cell within ${HOME_TIMEOUT_MS / 1_000} s`,
          { hint: 'it returns by itself after ten healthy minutes' },
        )
      for (const { id, home, status } of unsettled)
        if (home !== undefined && status === 'healthy')
          await askPatiently(socketPath(this.#plan.dataFolder, 'control'), { op: 'bring-home', service: id })
      await sleep(POLL_MS)
    }
  }
}

const callTool = async <T>(plan: RunPlan, type: string, args: Record<string, unknown> = {}): Promise<T> =>
  (
    await request<{ result: T }>(plan, AUTH, '/query', {
      method: 'POST',
      body: JSON.stringify({ type, ...args }),
    })
  ).result

const validTokens = async (plan: RunPlan): Promise<string[]> =>
  (
    await callTool<{ tokens: { id: string }[] }>(plan, 'list_tokens', { state: 'valid', limit: MAX_TOKENS })
  ).tokens.map(({ id }) => id)

async function servicesOf(plan: RunPlan): Promise<readonly ServiceStatus[]> {
  return (await askPatiently(socketPath(plan.dataFolder, 'control'), { op: 'status' })).services
}
