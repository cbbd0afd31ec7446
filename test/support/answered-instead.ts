/**
 * The failure of a call that was expected to fail; the stub check does not take it for a check of an answer.
 */
export const ANSWERED_INSTEAD = 'answers instead of failing'
