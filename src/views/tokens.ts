/** Tokens as they are shown: never the token itself. */
import * as z from 'zod'
import { at, time } from '../mcp/fields.ts'
import type { IssuedToken } from '../ports/access.ts'
import { view } from './view.ts'

const STATES = ['valid', 'expired', 'revoked'] as const

/** A token that was issued. */
export const issuedToken = view(
  z.object({
    id: z.string(),
    subject: z.string().describe('whom it was issued to'),
    scopes: z.array(z.string()),
    callsPerMinute: z.int().nullable().describe('limit of calls per minute; null without a limit'),
    ...time('issuedAt'),
    ...time('expiresAt'),
    state: z.enum(STATES),
  }),
  ({ id, subject, scopes, issuedAt, expiresAt, revokedAt, callsPerMinute }: IssuedToken, now: number) => {
    const state: (typeof STATES)[number] =
      revokedAt !== null ? 'revoked' : expiresAt <= now / 1_000 ? 'expired' : 'valid'
    return {
      id,
      subject,
      scopes,
      callsPerMinute: callsPerMinute ?? null,
      ...at('issuedAt', issuedAt * 1_000),
      ...at('expiresAt', expiresAt * 1_000),
      state,
    }
  },
)
