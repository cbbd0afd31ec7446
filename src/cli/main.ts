/**
 * The command line. Exit codes: 0 success, 1 failure, 2 wrong usage; with `--json` errors are JSON on stderr.
 */
import { Command, CommanderError } from 'commander'
import { type ErrorReport, KintsugiError, toErrorReport } from '../std/errors.ts'
import { packageVersion } from '../std/package-root.ts'
import { accessCommands } from './commands/access.ts'
import { fleetCommands } from './commands/fleet.ts'
import { chaosCommands, marketCommands } from './commands/market.ts'
import { color } from './format.ts'

const FAILURE = 1
const USAGE = 2
const asJson = process.argv.includes('--json')

const program = new Command('kintsugi')
  .description('A self-healing fleet of MCP servers and agents for flash-loan arbitrage')
  .version(packageVersion())
  .showHelpAfterError('(see --help)')
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ writeErr: (text) => void (asJson || process.stderr.write(text)) })
  .exitOverride()
fleetCommands(program)
accessCommands(program)
chaosCommands(program)
marketCommands(program)

function report(error: ErrorReport): void {
  if (asJson) {
    console.error(JSON.stringify({ error }))
    return
  }
  console.error(`${color.red('error')} ${error.message}`)
  if (error.hint) console.error(`${color.dim('hint')}  ${error.hint}`)
}

/** Commander has printed its message already, except with `--json`. */
function reportUsage({ code, message }: CommanderError): void {
  if (asJson)
    report({
      code: 'bad-argument',
      message: code === 'commander.help' ? 'a subcommand is required' : message.replace(/^error: /, ''),
      hint: 'see --help',
      retry: 'never',
    })
}

try {
  await program.parseAsync()
} catch (error) {
  if (error instanceof CommanderError) {
    process.exitCode = error.exitCode === 0 ? 0 : USAGE
    if (error.exitCode !== 0) reportUsage(error)
  } else {
    process.exitCode = FAILURE
    report(toErrorReport(error))
    if (!asJson && !(error instanceof KintsugiError) && process.env.KINTSUGI_DEBUG) console.error(error)
  }
}
