/** `kintsugi token`: issues, lists and revokes tokens, and rotates the signing key. */
import { color, count, dateTime, table } from './format.ts'
import { type DataOptions, request, runningPlan } from './run.ts'

interface Described {
  id: string
  subject: string
  scopes: string[]
  /** ms since 1970. */
  issuedAt: number
  expiresAt: number
  state: 'valid' | 'expired' | 'revoked'
}

const callTool = async <T>(
  options: DataOptions,
  type: string,
  args: Record<string, unknown> = {},
): Promise<T> =>
  (
    await request<{ result: T }>(runningPlan(options), 'mcp_auth_manager_server', '/query', {
      method: 'POST',
      body: JSON.stringify({ type, ...args }),
    })
  ).result

const tokenTable = (tokens: readonly Described[]): string =>
  table(
    tokens.map(({ id, subject, scopes, expiresAt, state }) => [
      (state === 'valid' ? color.green : color.dim)(state),
      id,
      subject,
      dateTime(expiresAt),
      scopes.join(' '),
    ]),
    ['state', 'id', 'subject', 'expires', 'scopes'],
  )

/** Issues a token and prints it once. */
export async function issueToken(
  subject: string,
  options: DataOptions & { role?: string; scope?: string[]; hours: number; callsPerMinute?: number },
): Promise<void> {
  const { role, scope: scopes, hours, callsPerMinute } = options
  const { token, grant } = await callTool<{ token: string; grant: Described }>(options, 'issue_token', {
    subject,
    hours,
    ...(role ? { role } : {}),
    ...(scopes ? { scopes } : {}),
    ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
  })
  if (options.json) console.log(JSON.stringify({ token, grant }))
  else
    console.log(
      `${token}\n\n${tokenTable([grant])}\n${color.dim('The token is shown only once. Send it as `Authorization: Bearer`.')}`,
    )
}

/** Prints all tokens, newest first. */
export async function listTokens(options: DataOptions): Promise<void> {
  const { tokens } = await callTool<{ tokens: Described[] }>(options, 'list_tokens', { limit: 1_000 })
  if (options.json) console.log(JSON.stringify(tokens))
  else if (tokens.length === 0)
    console.log('no tokens yet; issue one with `npx kintsugi token issue NAME --role reader`')
  else console.log(tokenTable(tokens))
}

/** Revokes a token at once. */
export async function revokeToken(id: string, options: DataOptions): Promise<void> {
  const { grant } = await callTool<{ grant: Described }>(options, 'revoke_token', { id })
  console.log(options.json ? JSON.stringify(grant) : tokenTable([grant]))
}

/** Switches to a new signing key; with `revoke` all earlier tokens become invalid. */
export async function rotateKeys(options: DataOptions & { revoke?: boolean }): Promise<void> {
  const done = await callTool<{ key: string; revoked: number }>(options, 'rotate_keys', {
    revokeEarlier: options.revoke === true,
  })
  console.log(
    options.json
      ? JSON.stringify(done)
      : `${color.green('✓')} new tokens are signed with key ${done.key}${options.revoke ? `; ${count(done.revoked, 'token')} revoked` : ''}`,
  )
}
