/** Who may do what: tokens with scopes and an end, issued, looked into and revoked. */
import * as z from 'zod'
import { mayGrant, parseScope, RESERVED_NAMES, ROLES } from '../../access/scopes.ts'
import { defineServer, toolWith } from '../../mcp/define.ts'
import { limit } from '../../mcp/fields.ts'
import type { IssuedToken } from '../../ports/access.ts'
import { KintsugiError } from '../../std/errors.ts'

const needs = ['access'] as const
const tool = toolWith(needs)
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

function describe({ revokedAt, ...token }: IssuedToken, now: number): z.input<typeof described> {
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
  needs,
  // It alone writes the file of keys.
  alone: true,
  tools: {
    issue_token: tool({
      description:
        'Makes a token for a person or a program, with a role or scopes and a time after which it ends. The token is shown once and kept nowhere. Nobody can give more than they have.',
      effect: 'write',
      keywords: 'give someone access, new key, permission, login for Claude or Cursor',
      input: z.object({
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
      }),
      output: z.object({ token: z.string(), grant: described }),
      example: { subject: 'example', role: 'reader', hours: 0.01 },
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
    revoke_token: tool({
      description: 'Ends a token at once, by its id. It is refused everywhere within a second.',
      effect: 'write',
      keywords: 'take access away, lock out, invalidate a key',
      input: z.object({ id: z.string().min(1).max(80) }),
      output: z.object({ grant: described }),
      example: { id: '00000000-0000-4000-8000-000000000000' },
      run: async ({ id }, { access, now }) => ({ grant: describe(await access.revoke(id), now()) }),
    }),
    introspect_token: tool({
      description: 'What a token is worth now: whose it is, its scopes and its end; or that it is not valid.',
      effect: 'read',
      guarded: true,
      keywords: 'is this token valid, whose key is it, check access',
      input: z.object({ token: z.string().min(1).max(4_000) }),
      output: z.object({
        active: z.boolean(),
        id: z.string().nullable(),
        subject: z.string().nullable(),
        scopes: z.array(z.string()),
        expiresAt: z.int().nullable(),
      }),
      example: { token: 'not-a-token' },
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
    list_tokens: tool({
      description:
        'The tokens that were issued, newest first, with their scopes and state; never the tokens themselves.',
      effect: 'read',
      guarded: true,
      keywords: 'who has access, permissions, keys given out',
      input: z.object({
        state: z.enum(['valid', 'expired', 'revoked']).optional(),
        limit: limit(1_000, 100),
        offset: z.int().min(0).default(0),
      }),
      output: z.object({ tokens: z.array(described), total: z.int() }),
      example: {},
      run: async ({ state, limit: most, offset }, { access, now }) => {
        const all = (await access.list())
          .map((token) => describe(token, now()))
          .filter((token) => state === undefined || token.state === state)
        return { tokens: all.reverse().slice(offset, offset + most), total: all.length }
      },
    }),
    rotate_keys: tool({
      description:
        'Signs tokens with a new key from now on. Earlier tokens stay valid until they end, unless they are revoked with it.',
      effect: 'write',
      keywords: 'new signing key, key rotation, log everybody out',
      input: z.object({
        revokeEarlier: z.boolean().default(false).describe('whether every token there is ends at once'),
      }),
      output: z.object({ key: z.string(), revoked: z.int() }),
      example: {},
      run: ({ revokeEarlier }, { access }) => access.rotate(revokeEarlier),
    }),
    list_roles: tool({
      description: 'The roles a token can be given, and the scopes of each.',
      effect: 'read',
      keywords: 'who may do what, permissions, access rights',
      input: z.object({}),
      output: z.object({
        roles: z.array(z.object({ role: z.string(), title: z.string(), scopes: z.array(z.string()) })),
      }),
      example: {},
      run: () => ({
        roles: Object.entries(ROLES).map(([role, { title, scopes }]) => ({
          role,
          title,
          scopes: [...scopes],
        })),
      }),
    }),
  },
})
