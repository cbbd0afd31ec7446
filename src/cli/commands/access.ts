/** Commands for MCP clients, tokens, approvals and the audit log. */
import { Argument, type Command, Option } from 'commander'
import { data, json, whole } from './options.ts'

export function accessCommands(program: Command): void {
  clientCommands(program)
  tokenCommands(program)
  approvalCommands(program)
  auditCommands(program)
}

function clientCommands(program: Command): void {
  program
    .command('mcp')
    .description('serve the whole fleet as one MCP server on stdin and stdout')
    .addOption(
      new Option('--tools <which>', 'all: list every tool; search (default): three meta tools').choices([
        'all',
        'search',
      ]),
    )
    .option('--profile <name>', 'also list the tools of a profile: trading, operator')
    .addOption(data())
    .action(async (options) => (await import('../mcp.ts')).mcp(options))
  program
    .command('connect')
    .description("add the fleet to a client's configuration; other entries are kept")
    .addArgument(
      new Argument('<client>', 'MCP client').choices(['claude', 'claude-code', 'cursor', 'vscode']),
    )
    .option('--file <path>', "configuration file (default: the client's own)")
    .option('--tools <which>', 'all, or search (default)')
    .option('--profile <name>', 'trading, operator')
    .option('--print', 'print the configuration instead of writing it')
    .addOption(data())
    .addOption(json())
    .action(async (client, options) => (await import('../connect.ts')).connect(client, options))
}

function tokenCommands(program: Command): void {
  const token = program.command('token').description('manage access tokens')
  token
    .command('issue')
    .description('issue a token; it is shown once')
    .argument('<subject>', 'whom it is for')
    .option('--role <name>', 'reader, operator, trader or admin')
    .option('--scope <scope...>', 'read, write or spend; optionally with :server or :server__tool')
    .option('--hours <n>', 'validity in hours', Number, 720)
    .option('--calls-per-minute <n>', 'maximum number of calls per minute', Number)
    .addOption(data())
    .addOption(json())
    .action(async (subject, options) => (await import('../token.ts')).issueToken(subject, options))
  token
    .command('list')
    .description('list tokens, newest first')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../token.ts')).listTokens(options))
  token
    .command('revoke')
    .description('revoke a token at once')
    .argument('<id>')
    .addOption(data())
    .addOption(json())
    .action(async (id, options) => (await import('../token.ts')).revokeToken(id, options))
  token
    .command('rotate')
    .description('switch to a new signing key')
    .option('--revoke', 'also revoke all earlier tokens')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../token.ts')).rotateKeys(options))
}

function approvalCommands(program: Command): void {
  const approvals = program.command('approvals').description('list pending approvals, change the policy')
  approvals
    .command('list', { isDefault: true })
    .description('list pending approvals and the policy (default)')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../approvals.ts')).listApprovals(options))
  approvals
    .command('policy')
    .description('show or change which calls need approval')
    .option('--tools <tool...>', '* for all that may need it, a server, server__tool, or none')
    .option('--at-client', 'allow approval in the client')
    .option('--no-at-client', 'allow approval only on the dashboard and the command line')
    .option('--minutes <n>', 'how long an approval can be given and used', Number)
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../approvals.ts')).changePolicy(options))
  for (const [name, approve, description] of [
    ['approve', true, 'approve a pending call'],
    ['refuse', false, 'refuse a pending call'],
  ] as const)
    program
      .command(name)
      .description(description)
      .argument('<id>', 'as listed by `kintsugi approvals`')
      .option('--yes', 'do not ask for confirmation')
      .addOption(data())
      .addOption(json())
      .action(async (id, options) => (await import('../approvals.ts')).decide(id, approve, options))
}

function auditCommands(program: Command): void {
  const audit = program.command('audit').description('verify and export the log of all calls')
  audit
    .command('verify')
    .description('check the log against its signed heads; exit code 0 if nothing was changed')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../audit.ts')).verify(options))
  audit
    .command('export')
    .description('print entries, one JSON object per line')
    .option('--from <n>', 'sequence number of the first entry', whole(0, Number.MAX_SAFE_INTEGER), 0)
    .option('--limit <n>', 'maximum number of entries (default: all)', whole(1, Number.MAX_SAFE_INTEGER))
    .addOption(data())
    .action(async (options) => (await import('../audit.ts')).exportAudit(options))
}
