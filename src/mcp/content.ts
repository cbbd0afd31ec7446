/** Content of a tool's answer that data cannot express: text, images, sound, resources. */
import type { ContentBlock } from '@modelcontextprotocol/server'

/** A block of MCP content. */
export type { ContentBlock }

/** Content blocks, with structured data if the tool has some. */
export class ToolContent {
  readonly blocks: readonly ContentBlock[]
  readonly structured: Record<string, unknown> | undefined

  constructor(blocks: readonly ContentBlock[], structured?: Record<string, unknown>) {
    this.blocks = blocks
    this.structured = structured
  }
}

/** A block of text. */
export const text = (content: string): ContentBlock => ({ type: 'text', text: content })

/** An image; `data` in base64. */
export const image = (data: string, mimeType: string): ContentBlock => ({ type: 'image', data, mimeType })

/** Sound; `data` in base64. */
export const audio = (data: string, mimeType: string): ContentBlock => ({ type: 'audio', data, mimeType })

/** A text resource inside the answer. */
export const embedded = (uri: string, mimeType: string, content: string): ContentBlock => ({
  type: 'resource',
  resource: { uri, mimeType, text: content },
})
