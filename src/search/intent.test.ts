import { expect, test } from 'vitest'
import { requestsAction } from './intent.ts'

test.each([
  'restart the price feed',
  'Please restart it',
  'can you stop the dashboard',
  'how do I revoke a token',
  'I want to scale the aggregator',
  'do a full cycle with borrowed money',
  'give Ada access',
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
  '',
])('"%s" is a question or a topic', (query) => expect(requestsAction(query)).toBe(false))
