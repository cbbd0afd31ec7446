/** Resources of the reference server: text, binary, one that changes, and a template. */
import type { Resource, ResourceTemplate } from '../../../mcp/define.ts'
import { PNG } from './fixtures.ts'

/** Interval at which the watched resource changes. */
const CHANGE_INTERVAL_MS = 1_000

/** The resources, by URI. */
export const resources: Readonly<Record<string, Resource<never>>> = {
  'test://static-text': {
    title: 'static text',
    description: 'A constant text.',
    mimeType: 'text/plain',
    read: () => 'This is the content of the static text resource.',
  },
  'test://static-binary': {
    title: 'static binary',
    description: 'An image of one red pixel.',
    mimeType: 'image/png',
    read: () => Buffer.from(PNG, 'base64'),
  },
  'test://watched-resource': {
    title: 'watched resource',
    description: 'The current second since 1970; subscribers are notified of each change.',
    read: ({ now }) => ({ second: Math.floor(now() / 1_000) }),
    watch: (_scope, onChange) => {
      const timer = setInterval(onChange, CHANGE_INTERVAL_MS)
      return () => clearInterval(timer)
    },
  },
}

/** The resource templates, by URI template. */
export const templates: Readonly<Record<string, ResourceTemplate<never>>> = {
  'test://template/{id}/data': {
    title: 'template data',
    description: 'Data for the id in the URI.',
    read: ({ id }) => ({ id, templateTest: true, data: `Data for ID: ${id}` }),
  },
}
