/**
 * Names and URIs in the fleet: the names of each service's items, and who owns a name that two services
 * offer.
 */
import { expect, test } from 'vitest'
import { definitionsOf, toolListing } from '../../../test/support/definitions.ts'
import type { ServiceDefinitions, ToolListing } from '../../ports/definitions.ts'
import { changedLists, compactListing, listingsOf } from './listings.ts'

/** Definitions with tools, prompts, resources and templates of these names. */
function offering(
  items: { tools?: string[]; prompts?: string[]; uris?: string[]; templates?: string[] },
  changing = false,
): ServiceDefinitions {
  const words = (name: string) => ({ name, title: name, description: `the ${name}` })
  const mimeType = 'text/plain'
  return definitionsOf({
    tools: (items.tools ?? []).map((name) => toolListing(name, words(name))),
    prompts: (items.prompts ?? []).map((name) => ({ ...words(name), arguments: [] })),
    resources: (items.uris ?? []).map((uri) => ({ ...words('state'), uri, mimeType })),
    resourceTemplates: (items.templates ?? []).map((uriTemplate) => ({
      ...words('one'),
      uriTemplate,
      mimeType,
    })),
    keywords: { look: 'see, view' },
    changing,
  })
}
const of = (services: Record<string, ServiceDefinitions | undefined>) =>
  listingsOf(new Map(Object.entries(services)))
const ownersOf = (items: ReadonlyMap<string, { service: string }>) =>
  Object.fromEntries([...items].map(([name, { service }]) => [name, service]))

test('tools and prompts are named server__name, and keep their plain name for the server', () => {
  const { tools, prompts } = of({ 'my-feed': offering({ tools: ['look'], prompts: ['greet'] }) })
  expect(tools.get('my-feed__look')).toMatchObject({
    service: 'my-feed',
    plain: 'look',
    listing: { name: 'my-feed__look', description: 'the look' },
    keywords: 'see, view',
  })
  expect(prompts.get('my-feed__greet')).toMatchObject({
    service: 'my-feed',
    plain: 'greet',
    listing: { name: 'my-feed__greet' },
  })
})

test('items of a connected server keep their name, which has the server as its prefix', () => {
  const { tools, prompts } = of({
    bridge: offering({ tools: ['connect', 'files__read'], prompts: ['files__summary'] }, true),
  })
  expect(ownersOf(tools)).toEqual({ bridge__connect: 'bridge', files__read: 'bridge' })
  expect(ownersOf(prompts)).toEqual({ files__summary: 'bridge' })
})

test.each([
  ['before', 'a_vault'],
  ['after', 'z_vault'],
])('a connected server never takes a name of a service that sorts %s the bridge', (_order, vault) => {
  const { tools, prompts } = of({
    m_bridge: offering(
      { tools: [`${vault}__pay`, `${vault}__new`, 'files__read'], prompts: [`${vault}__greet`] },
      true,
    ),
    [vault]: offering({ tools: ['pay'], prompts: ['greet'] }),
  })
  expect(ownersOf(tools)).toEqual({ [`${vault}__pay`]: vault, files__read: 'm_bridge' })
  expect(ownersOf(prompts)).toEqual({ [`${vault}__greet`]: vault })
})

test('the names of a service whose definitions are unknown are reserved', () => {
  const { tools } = of({ vault: undefined, bridge: offering({ tools: ['vault__pay'] }, true) })
  expect(ownersOf(tools)).toEqual({})
})

test('of two services with the same URI the first by name keeps it, the other gets a URI of its own', () => {
  const { resources } = of({
    beta: offering({ uris: ['shared://state'] }),
    alpha: offering({ uris: ['shared://state', 'alpha://own'] }),
  })
  expect(ownersOf(resources)).toEqual({
    'shared://state': 'alpha',
    'alpha://own': 'alpha',
    'kintsugi://beta/shared%3A%2F%2Fstate': 'beta',
  })
  expect(resources.get('kintsugi://beta/shared%3A%2F%2Fstate')).toMatchObject({
    plain: 'shared://state',
    listing: { uri: 'kintsugi://beta/shared%3A%2F%2Fstate', name: 'beta__state' },
  })
})

test('a connected server never takes the URI of a service, for any names', () => {
  const { resources, templates } = of({
    a_bridge: offering({ uris: ['prices://all'], templates: ['prices://{token}'] }, true),
    feed: offering({ uris: ['prices://all'], templates: ['prices://{pair}'] }),
  })
  expect(resources.get('prices://all')?.service).toBe('feed')
  expect(templates.map(({ service }) => service)).toEqual(['feed', 'a_bridge'])
})

test('changed lists are reported by kind', () => {
  const empty = of({})
  expect(changedLists(empty, empty)).toEqual([])
  expect(changedLists(empty, of({ a: offering({ tools: ['look'] }) }))).toEqual(['tools'])
  expect(changedLists(empty, of({ a: offering({ templates: ['a://{x}'] }) }))).toEqual(['resources'])
  expect(changedLists(of({ a: offering({ uris: ['a://x'] }) }), empty)).toEqual(['resources'])
  expect(changedLists(empty, of({ a: offering({ prompts: ['greet'], tools: ['look'] }) }))).toEqual([
    'tools',
    'prompts',
  ])
})

test('in the list of all tools, output schemas have no descriptions; inputs and the tool keep theirs', () => {
  const described = (type: string) => ({ type, description: 'words' })
  const listing = {
    name: 'a__look',
    description: 'looks',
    inputSchema: { type: 'object', properties: { pool: described('string') } },
    outputSchema: {
      type: 'object',
      description: 'words',
      $defs: { amount: described('string') },
      properties: {
        description: described('string'),
        kind: { enum: ['description'], default: { description: 'kept' } },
        rows: { type: 'array', items: { anyOf: [described('number'), { $ref: '#/$defs/amount' }] } },
      },
      required: ['description'],
    },
  } as unknown as ToolListing
  expect(compactListing(listing)).toEqual({
    ...listing,
    outputSchema: {
      type: 'object',
      $defs: { amount: { type: 'string' } },
      properties: {
        description: { type: 'string' },
        kind: { enum: ['description'], default: { description: 'kept' } },
        rows: { type: 'array', items: { anyOf: [{ type: 'number' }, { $ref: '#/$defs/amount' }] } },
      },
      required: ['description'],
    },
  })
})
