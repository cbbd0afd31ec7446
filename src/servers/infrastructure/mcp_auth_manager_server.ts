/** Who may do what: tokens with scopes and an expiry, issued, inspected and revoked. */
import * as z from 'zod'
import { mayGrant, RESERVED_NAMES, ROLES, requireGrantable, scopesOf } from '../../access/scopes.ts'
import { defineServer } from '../../mcp/define.ts'
import { maybeAt, maybeTime, page, paged, paginate } from '../../mcp/fields.ts'
import type { AccessAdmin } from '../../ports/access.ts'
import { KintsugiError } from '../../std/errors.ts'
import { issuedToken } from '../../views/tokens.ts'

const HOURS_PER_YEAR = 366 * 24
const scope = z
  .string()
  .max(250)
  .describe('read, write or spend; with :server or :server__tool for a narrower scope')

/** The id of a token that is valid now. Throws `not-found`. */
async function aValidToken({ access, now }: { access: AccessAdmin; now(): number }) {
  const found = (await access.list()).findLast((token) => issuedToken.of(token, now()).state === 'valid')
  if (found) return { id: found.id }
  throw new KintsugiError('not-found', 'no token is valid', { hint: 'issue_token issues one' })
}

export default defineServer({
  id: 'mcp_auth_manager_server',
  needs: ['access'],
  // Only one process writes the file of keys.
  singleton: true,
  tools: ({ read, write }) => ({
    issue_token: write({
      description:
        'Issues a token for a person or a program, with a role or scopes and an expiry. The token is shown once and stored nowhere. A caller cannot grant more than its own token allows.',
      keywords: 'give someone access, new key, permission, login for Claude or Cursor',
      input: {
        subject: z
          .string()
          .regex(/^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,79}$/)
          .refine(
            (name) => !RESERVED_NAMES.includes(name.toLowerCase()),
            'expected a name that is not reserved',
          )
          .describe('whom it is for: letters, digits, spaces and . _ @ -'),
        role: z.enum(Object.keys(ROLES) as [string, ...string[]]).optional(),
        scopes: z.array(scope).min(1).max(50).optional(),
        hours: z.number().positive().max(HOURS_PER_YEAR).default(720).describe('how long it is valid'),
        callsPerMinute: z.int().min(1).max(1_000_000).optional().describe('limit of calls; default: none'),
      },
      output: { token: z.string(), grant: issuedToken.schema },
      examples: [{ subject: 'example', role: 'reader', hours: 0.01 }],
      refusals: [
        [{ subject: 'example' }, 'bad-argument'],
        [{ subject: 'operator', role: 'reader' }, 'bad-argument'],
        [{ subject: 'example', scopes: ['fly'] }, 'bad-scope'],
      ],
      validate: (wanted) => void scopesOf(wanted),
      run: async ({ subject, role, scopes, hours, callsPerMinute }, { access, scopes: held, now }) => {
        const wanted = scopesOf({ role, scopes })
        requireGrantable(held, wanted)
        const { token, grant } = await access.issue({
          subject,
          scopes: wanted,
          seconds: Math.max(1, Math.round(hours * 3_600)),
          ...(callsPerMinute === undefined ? {} : { callsPerMinute }),
        })
        return { token, grant: issuedToken.of(grant, now()) }
      },
    }),
    revoke_token: write({
      description: 'Revokes a token by its id. Every service refuses it within a second.',
      keywords: 'take access away, lock out, invalidate a key',
      destructive: true,
      idempotent: true,
      input: { id: z.string().min(1).max(80) },
      output: { grant: issuedToken.schema },
      examples: [{ shown: { id: '<the id of a token>' }, find: aValidToken }],
      refusals: [[{ id: '00000000-0000-4000-8000-000000000000' }, 'not-found']],
      run: async ({ id }, { access, now }) => ({ grant: issuedToken.of(await access.revoke(id), now()) }),
    }),
    introspect_token: read({
      description: 'Whom a token belongs to, its scopes and its expiry; or that it is not valid.',
      guarded: true,
      keywords: 'is this token valid, whose key is it, check access',
      input: { token: z.string().min(1).max(4_000) },
      output: {
        active: z.boolean(),
        id: z.string().nullable(),
        subject: z.string().nullable(),
        scopes: z.array(z.string()),
        ...maybeTime('expiresAt'),
      },
      examples: [{ token: 'not-a-token' }],
      run: async ({ token }, { access }) => {
        const grant = await access.introspect(token)
        if (!grant)
          return { active: false, id: null, subject: null, scopes: [], ...maybeAt('expiresAt', null) }
        const { id, subject, scopes, expiresAt } = grant
        return { active: true, id, subject, scopes, ...maybeAt('expiresAt', expiresAt * 1_000) }
      },
    }),
    list_tokens: read({
      description:
        'The tokens that were issued, newest first, with their scopes and state; never the tokens.',
      guarded: true,
      keywords: 'who has access, permissions, keys given out',
      input: { state: issuedToken.schema.shape.state.optional(), ...page(1_000, 10) },
      output: paged('tokens', issuedToken.schema),
      examples: [{}],
      run: async ({ state, ...paging }, { access, now }) => {
        const all = (await access.list()).map((token) => issuedToken.of(token, now())).reverse()
        return paginate(
          'tokens',
          all.filter((token) => state === undefined || token.state === state),
          paging,
        )
      },
    }),
    rotate_keys: write({
      description:
        'Signs tokens with a new key from now on. Earlier tokens stay valid until they expire, unless they are revoked with it.',
      keywords: 'new signing key, key rotation, log everybody out',
      destructive: true,
      input: { revokeEarlier: z.boolean().default(false).describe('whether all earlier tokens are revoked') },
      output: { key: z.string(), revoked: z.int().describe('tokens that were revoked') },
      examples: [{}],
      run: ({ revokeEarlier }, { access }) => access.rotate(revokeEarlier),
    }),
    list_roles: read({
      description:
        'The roles that a token can be issued with, the scopes of each, and whether the caller may grant them.',
      keywords: 'who may do what, permissions, access rights',
      input: {},
      output: {
        roles: z.array(
          z.object({
            role: z.string(),
            title: z.string(),
            scopes: z.array(z.string()),
            grantable: z.boolean().describe("whether the caller's own token covers it"),
          }),
        ),
      },
      examples: [{}],
      run: (_input, { scopes: held }) => ({
        roles: Object.entries(ROLES).map(([role, facts]) => ({
          role,
          ...facts,
          grantable: mayGrant(held, facts.scopes),
        })),
      }),
    }),
  }),
})
