/**
 * The names of the chains that have a profile: for the command line and the settings, which need nothing else
 * of them.
 */
export const CHAINS = ['polygon', 'ethereum', 'arbitrum', 'base', 'optimism'] as const
export type ChainName = (typeof CHAINS)[number]

/** The variable that holds the addresses of a chain's nodes. */
export const rpcVariable = (chain: string): string => `${chain.toUpperCase()}_RPC_URL`
