import { expect, test } from 'vitest'
import { verdictOf } from './submission.ts'

/** Messages as the nodes send them: anvil, geth and erigon, nethermind, besu. */
test.each([
  ['transaction already imported', 'known'],
  ['already known', 'known'],
  ['AlreadyKnown', 'known'],
  ['Known transaction', 'known'],
  ['nonce too low', 'used'],
  ['nonce too low: next nonce 5, tx nonce 4', 'used'],
  ['OldNonce, Current nonce: 5, nonce of rejected tx: 4', 'used'],
  ['Nonce too low', 'used'],
  ['replacement transaction underpriced', 'refused'],
  ['insufficient funds for gas * price + value', 'refused'],
  ['nonce too high', 'refused'],
])('%s: %s', (message, verdict) => {
  expect(verdictOf(message)).toBe(verdict)
})
