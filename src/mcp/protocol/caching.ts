/** Cache hints of MCP results. */

const LIST_TTL_MS = 60_000

/** Lists are the same for every client. */
export const CACHED = { ttlMs: LIST_TTL_MS, cacheScope: 'public' as never }
/** The contents of a resource may change at any time. */
export const FRESH = { ttlMs: 0, cacheScope: 'private' as never }
