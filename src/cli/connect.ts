/**
 * `kintsugi connect`: adds the fleet to a client's configuration. Comments and all other entries are kept.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir, platform } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { applyEdits, modify, type ParseError, parse, printParseErrorCode } from 'jsonc-parser'
import { KintsugiError } from '../std/errors.ts'
import { packageRoot } from '../std/package-root.ts'
import { color } from './format.ts'
import { type DataOptions, runningPlan } from './run.ts'

export interface ConnectOptions extends DataOptions {
  file?: string
  tools?: string
  profile?: string
  print?: boolean
}

type ClientName = 'claude' | 'claude-code' | 'cursor' | 'vscode'

interface ClientFormat {
  readonly title: string
  file(): string
  /** The property of the file that lists the servers. */
  readonly key: 'mcpServers' | 'servers'
  readonly transport: 'stdio' | 'http'
}

const claudeDesktop = (): string => {
  const inside = join('Claude', 'claude_desktop_config.json')
  if (platform() === 'darwin') return join(homedir(), 'Library', 'Application Support', inside)
  if (platform() === 'win32')
    return join(process.env.APPDATA ?? join(homedir(), 'AppData', 'Roaming'), inside)
  return join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), inside)
}

/** The clients, and where and how each keeps its servers. */
export const CLIENTS: Readonly<Record<ClientName, ClientFormat>> = {
  claude: { title: 'Claude Desktop', file: claudeDesktop, key: 'mcpServers', transport: 'stdio' },
  'claude-code': {
    title: 'Claude Code',
    file: () => resolve('.mcp.json'),
    key: 'mcpServers',
    transport: 'http',
  },
  cursor: {
    title: 'Cursor',
    file: () => join(homedir(), '.cursor', 'mcp.json'),
    key: 'mcpServers',
    transport: 'http',
  },
  vscode: { title: 'VS Code', file: () => resolve('.vscode', 'mcp.json'), key: 'servers', transport: 'http' },
}

/** The entry for a client's configuration. It contains no secret: the stdio server reads the token itself. */
export function entryOf(
  client: ClientName,
  {
    url,
    dataFolder,
    options,
  }: { url: string; dataFolder: string; options: Pick<ConnectOptions, 'tools' | 'profile'> },
) {
  const { transport } = CLIENTS[client]
  const chosen = Object.entries({ tools: options.tools, profile: options.profile }).filter(
    (pair): pair is [string, string] => pair[1] !== undefined,
  )
  if (transport === 'http') {
    const query = new URLSearchParams(chosen)
    return { type: 'http', url: query.size > 0 ? `${url}?${query}` : url }
  }
  return {
    command: process.execPath,
    args: [
      join(packageRoot(), 'bin', 'kintsugi.mjs'),
      'mcp',
      '--data',
      dataFolder,
      ...chosen.flatMap(([name, value]) => [`--${name}`, value]),
    ],
  }
}

/** The configuration with the fleet added. Throws `bad-config` if the file is not JSON. */
export function withEntry(text: string, key: string, entry: unknown, file: string): string {
  const errors: ParseError[] = []
  parse(text, errors, { allowTrailingComma: true })
  const [first] = errors
  if (first)
    throw new KintsugiError(
      'bad-config',
      `${file}: ${printParseErrorCode(first.error)} at character ${first.offset}`,
      { hint: 'fix the file first; nothing was changed' },
    )
  return applyEdits(
    text,
    modify(text, [key, 'kintsugi'], entry, { formattingOptions: { insertSpaces: true, tabSize: 2 } }),
  )
}

/** Writes (or prints) the configuration of a client. */
export function connect(client: ClientName, options: ConnectOptions): void {
  const plan = runningPlan(options)
  const format = CLIENTS[client]
  const file = options.file ? resolve(options.file) : format.file()
  const entry = entryOf(client, {
    url: `http://127.0.0.1:${plan.ports.coordination_system}/mcp`,
    dataFolder: plan.dataFolder,
    options,
  })
  const before = existsSync(file) ? readFileSync(file, 'utf8') : ''
  const after = withEntry(before.trim() === '' ? '{}' : before, format.key, entry, file)
  if (!options.print) {
    mkdirSync(dirname(file), { recursive: true })
    // Written to a second file and renamed: a client never reads half of it.
    writeFileSync(`${file}.kintsugi`, after.endsWith('\n') ? after : `${after}\n`)
    renameSync(`${file}.kintsugi`, file)
  }
  if (options.json) console.log(JSON.stringify({ client, file, entry, written: !options.print }))
  else if (options.print) console.log(after)
  else
    console.log(
      `${color.green('✓')} ${format.title}: ${file}\n  restart the client, or reload its servers, to see the fleet`,
    )
}
