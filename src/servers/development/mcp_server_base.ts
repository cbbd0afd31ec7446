/**
 * The reference of the protocol surface: everything that the kit offers, each once, under the names that the
 * conformance suites expect.
 */
import { defineServer } from '../../mcp/define.ts'
import { changing } from './reference/changing.ts'
import { contentTools } from './reference/content-tools.ts'
import { inputTools } from './reference/input-tools.ts'
import { prompts } from './reference/prompts.ts'
import { resources, templates } from './reference/resources.ts'
import { taskTools } from './reference/task-tools.ts'

export default defineServer({
  id: 'mcp_server_base',
  needs: [],
  tools: () => ({ ...contentTools, ...inputTools, ...taskTools }),
  resources,
  templates,
  prompts,
  dynamic: (_scope, onChange) => changing(onChange),
})
