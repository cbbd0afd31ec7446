/** `kintsugi token`: who may do what, from the command line. */
import { color } from './format.ts'
import { type DataOptions, request, runningPlan } from './run.ts'

interface Described {
  id: string
  subject: string
  scopes: string[]
  issuedAt: number
  expiresAt: number
  state: 'valid' | 'expired' | 'revoked'
}

const ask = async <T>(options: DataOptions, type: string, given: Record<string, unknown> = {}): Promise<T> =>
  (
    await request<{ result: T }>(runningPlan(options), 'mcp_auth_manager_server', '/query', {
      method: 'POST',
      body: JSON.stringify({ type, ...given }),
    })
  ).result

const day = (seconds: number) => new Date(seconds * 1_000).toISOString().slice(0, 16).replace('T', ' ')
const line = ({ id, subject, scopes, expiresAt, state }: Described) =>
  `${(state === 'valid' ? color.green : color.dim)(state.padEnd(8))} ${id}  ${subject.padEnd(20)} until ${day(expiresAt)}  ${scopes.join(' ')}`

export async function issueToken(
  subject: string,
  options: DataOptions & { role?: string; scope?: string[]; hours: number; callsPerMinute?: number },
): Promise<void> {
  const { role, scope: scopes, hours, callsPerMinute } = options
  const { token, grant } = await ask<{ token: string; grant: Described }>(options, 'issue_token', {
    subject,
    hours,
    ...(role ? { role } : {}),
    ...(scopes ? { scopes } : {}),
    ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
  })
  if (options.json) console.log(JSON.stringify({ token, grant }))
  else
    console.log(
      `${token}\n\n${line(grant)}\n${color.dim('the token is shown this once; send it as `Authorization: Bearer`')}`,
    )
}

export async function listTokens(options: DataOptions): Promise<void> {
  const { tokens } = await ask<{ tokens: Described[] }>(options, 'list_tokens', { limit: 1_000 })
  if (options.json) console.log(JSON.stringify(tokens))
  else if (tokens.length === 0)
    console.log('no token was issued yet: `kintsugi token issue NAME --role reader`')
  else for (const token of tokens) console.log(line(token))
}

export async function revokeToken(id: string, options: DataOptions): Promise<void> {
  const { grant } = await ask<{ grant: Described }>(options, 'revoke_token', { id })
  console.log(options.json ? JSON.stringify(grant) : line(grant))
}

export async function rotateKeys(options: DataOptions & { revoke?: boolean }): Promise<void> {
  const done = await ask<{ key: string; revoked: number }>(options, 'rotate_keys', {
    revokeEarlier: options.revoke === true,
  })
  console.log(
    options.json
      ? JSON.stringify(done)
      : `${color.green('✓')} signed with ${done.key} from now on${options.revoke ? `; ${done.revoked} tokens were revoked` : ''}`,
  )
}
