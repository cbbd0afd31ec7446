/** Who may do what: tokens with scopes and an end, issued, looked into and revoked. */
import * as z from 'zod'
import { mayGrant, parseScope, RESERVED_NAMES, ROLES } from '../../access/scopes.ts'
import { defineServer } from '../../mcp/define.ts'
import { limit } from '../../mcp/fields.ts'
import type { IssuedToken } from '../../ports/access.ts'
import { KintsugiError } from '../../std/errors.ts'

const MAX_DAYS = 366
const scope = z
  .string()
  .max(250)
  .describe('read, write or spend, with :server or :server__tool where it is narrower')
const described = z.object({
  callsPerMinute: z.int().nullable(),
  id: z.string(),
  subject: z.string(),
  scopes: z.array(z.string()),
  issuedAt: z.int().describe('s since 1970'),
  expiresAt: z.int().describe('s since 1970'),
  state: z.enum(['valid', 'expired', 'revoked']),
})

function describe({ revokedAt, ...token }: IssuedToken, now: number): z.output<typeof described> {
  const { id, subject, issuedAt, expiresAt, callsPerMinute } = token
  return {
    id,
    subject,
    callsPerMinute: callsPerMinute ?? null,
    scopes: [...token.scopes],
    issuedAt,
    expiresAt,
    state: revokedAt !== null ? 'revoked' : expiresAt <= now / 1_000 ? 'expired' : 'valid',
  }
}

export default defineServer({
  id: 'mcp_auth_manager_server',
  needs: ['access'],
  // It alone writes the file of keys.
  singleton: true,
  tools: ({ read, write }) => ({
    issue_token: write({
      description:
        'Makes a token for a person or a program, with a role or scopes and a time after which it ends. The token is shown once and kept nowhere. Nobody can give more than they have.',
      keywords: 'give someone access, new key, permission, login for Claude or Cursor',
      input: {
        subject: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,79}$/)
          .refine(
            (name) => !RESERVED_NAMES.includes(name.toLowerCase()),
            'the name of somebody in particular: choose another',
          )
          .describe('who it is for: letters, digits, spaces and . _ @ -'),
        role: z.enum(Object.keys(ROLES) as [string, ...string[]]).optional(),
        scopes: z.array(scope).min(1).max(50).optional(),
        hours: z
          .number()
          .positive()
          .max(MAX_DAYS * 24)
          .default(24 * 30)
          .describe('how long it is valid'),
        callsPerMinute: z
          .int()
          .min(1)
          .max(1_000_000)
          .optional()
          .describe('how often it may call; as often as it likes where this is absent'),
      },
      output: { token: z.string(), grant: described },
      examples: [{ subject: 'example', role: 'reader', hours: 0.01 }],
      run: async ({ subject, role, scopes, hours, callsPerMinute }, { access, scopes: held, now }) => {
        if ((role === undefined) === (scopes === undefined))
          throw new KintsugiError('bad-argument', 'role, scopes: expected one of the two', {
            hint: 'list_roles shows the roles',
          })
        const wanted = scopes ?? [...(ROLES[role as string]?.scopes ?? [])]
        for (const one of wanted) parseScope(one)
        if (!mayGrant(held, wanted))
          throw new KintsugiError(
            'insufficient-scope',
            `scopes: ${wanted.join(' ')} is more than your own token allows`,
            { hint: `yours: ${held.join(' ')}` },
          )
        const { token, grant } = await access.issue({
          subject,
          scopes: wanted,
          seconds: Math.max(1, Math.round(hours * 3_600)),
          ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
        })
        return { token, grant: describe(grant, now()) }
      },
    }),
    revoke_token: write({
      description: 'Ends a token at once, by its id. It is refused everywhere within a second.',
      keywords: 'take access away, lock out, invalidate a key',
      input: { id: z.string().min(1).max(80) },
      output: { grant: described },
      examples: [{ id: '00000000-0000-4000-8000-000000000000' }],
      run: async ({ id }, { access, now }) => ({ grant: describe(await access.revoke(id), now()) }),
    }),
    introspect_token: read({
      description: 'What a token is worth now: whose it is, its scopes and its end; or that it is not valid.',
      guarded: true,
      keywords: 'is this token valid, whose key is it, check access',
      input: { token: z.string().min(1).max(4_000) },
      output: {
        active: z.boolean(),
        id: z.string().nullable(),
        subject: z.string().nullable(),
        scopes: z.array(z.string()),
        expiresAt: z.int().nullable(),
      },
      examples: [{ token: 'not-a-token' }],
      run: async ({ token }, { access }) => {
        const grant = await access.introspect(token)
        return grant
          ? {
              active: true,
              id: grant.id,
              subject: grant.subject,
              scopes: [...grant.scopes],
              expiresAt: grant.expiresAt,
            }
          : { active: false, id: null, subject: null, scopes: [], expiresAt: null }
      },
    }),
    list_tokens: read({
      description:
        'The tokens that were issued, newest first, with their scopes and state; never the tokens themselves.',
      guarded: true,
      keywords: 'who has access, permissions, keys given out',
      input: {
        state: z.enum(['valid', 'expired', 'revoked']).optional(),
        limit: limit(1_000, 100),
        offset: z.int().min(0).default(0),
      },
      output: { tokens: z.array(described), total: z.int() },
      examples: [{}],
      run: async ({ state, limit: most, offset }, { access, now }) => {
        const all = (await access.list())
          .map((token) => describe(token, now()))
          .filter((token) => state === undefined || token.state === state)
        return { tokens: all.reverse().slice(offset, offset + most), total: all.length }
      },
    }),
    rotate_keys: write({
      description:
        'Signs tokens with a new key from now on. Earlier tokens stay valid until they end, unless they are revoked with it.',
      keywords: 'new signing key, key rotation, log everybody out',
      input: {
        revokeEarlier: z.boolean().default(false).describe('whether every token there is ends at once'),
      },
      output: { key: z.string(), revoked: z.int() },
      examples: [{}],
      run: ({ revokeEarlier }, { access }) => access.rotate(revokeEarlier),
    }),
    list_roles: read({
      description: 'The roles a token can be given, and the scopes of each.',
      keywords: 'who may do what, permissions, access rights',
      input: {},
      output: {
        roles: z.array(z.object({ role: z.string(), title: z.string(), scopes: z.array(z.string()) })),
      },
      examples: [{}],
      run: () => ({
        roles: Object.entries(ROLES).map(([role, { title, scopes }]) => ({
          role,
          title,
          scopes: [...scopes],
        })),
      }),
    }),
  }),
})
