/** What a tool says where text as JSON is not enough: images, sound, resources. */
import type { ContentBlock } from '@modelcontextprotocol/server'

export class ToolContent {
  readonly blocks: readonly ContentBlock[]
  readonly structured: Record<string, unknown> | undefined

  constructor(blocks: readonly ContentBlock[], structured?: Record<string, unknown>) {
    this.blocks = blocks
    this.structured = structured
  }
}

export const text = (said: string): ContentBlock => ({ type: 'text', text: said })

/** `data` in base64. */
export const image = (data: string, mimeType: string): ContentBlock => ({ type: 'image', data, mimeType })

/** `data` in base64. */
export const audio = (data: string, mimeType: string): ContentBlock => ({ type: 'audio', data, mimeType })

export const embedded = (uri: string, mimeType: string, said: string): ContentBlock => ({
  type: 'resource',
  resource: { uri, mimeType, text: said },
})
