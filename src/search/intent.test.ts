import { expect, test } from 'vitest'
import { asksForState, requestsAction } from './intent.ts'

test.each([
  'restart the price feed',
  'Please restart it',
  'can you stop the dashboard',
  'how do I revoke a token',
  'I want to scale the aggregator',
  'do a full cycle with borrowed money',
  'give Ada access',
  'emergency stop',
  'Urgent: halt trading',
  'immediately restart the executor',
])('"%s" is a command', (query) => expect(requestsAction(query)).toBe(true))

test.each([
  'which services are unhealthy',
  'why did the executor stop',
  'how often did it restart',
  'do the exchanges disagree',
  'can the fleet restart itself',
  'give me the prices',
  'show every execution',
  'status of execution 12',
  'price of ETH',
  'when does a token expire',
  'emergency contacts',
  '',
])('"%s" is a question or a topic', (query) => expect(requestsAction(query)).toBe(false))

test('a question with "is" or "are" asks for a state, others do not', () => {
  const queries = ['is trading halted', 'Are our prices stale', 'what is ETH worth', 'issue a token', '']
  expect(queries.map(asksForState)).toEqual([true, true, false, false, false])
})
