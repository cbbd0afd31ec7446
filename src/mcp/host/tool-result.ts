/** MCP results of tool calls. */
import { ProtocolError } from '@modelcontextprotocol/server'
import { toErrorReport } from '../../std/errors.ts'
import { ToolContent } from '../content.ts'
import { InputNeeded } from '../elicitation.ts'
import { summaryOf } from '../summary.ts'
import { noteOf } from './run-tool.ts'
import type { ToolOutput } from './tool-call.ts'

/**
 * Runs a call and maps its outcome to an MCP result: structured output with a summary as text, content, a
 * question to the client, or an error that a model can read and a program can parse
 * (`_meta['kintsugi/error']`). Throws protocol errors only.
 */
export async function toToolResult(work: () => Promise<ToolOutput>) {
  try {
    const output = await work()
    if (output instanceof ToolContent)
      return {
        content: [...output.blocks],
        ...(output.structured ? { structuredContent: output.structured } : {}),
      }
    return { content: [{ type: 'text' as const, text: textOf(output) }], structuredContent: output }
  } catch (error) {
    if (error instanceof InputNeeded) return error.result
    if (error instanceof ProtocolError) throw error
    const report = toErrorReport(error)
    const text = `${report.code}: ${report.message}${report.hint ? ` (${report.hint})` : ''}`
    return {
      content: [{ type: 'text' as const, text }],
      _meta: { 'kintsugi/error': report as never },
      isError: true,
    }
  }
}

/** The summary of an answer, after the note on it where there is one. */
const textOf = (output: Record<string, unknown>): string => {
  const note = noteOf(output)
  return note === undefined ? summaryOf(output) : `Note: ${note}\n${summaryOf(output)}`
}
