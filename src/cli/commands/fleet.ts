/** Commands that start, stop, show and control a fleet. */
import { type Command, Option } from 'commander'
import { CHAINS } from '../../engine/chains/names.ts'
import { PROFILES } from '../../fleet/catalogue/profiles.ts'
import { LOG_LEVELS } from '../../ports/service.ts'
import { data, json, since, whole } from './options.ts'

const MAX_SEED = 4_294_967_295
const MAX_OFFSET = 56_000

export function fleetCommands(program: Command): void {
  upCommand(program)
  showCommands(program)
  controlCommands(program)
  toolCommands(program)
}

function upCommand(program: Command): void {
  planOptions(program.command('up'))
    .description('start the fleet and follow it until Ctrl-C')
    .option('--fresh', 'start with an empty data folder; the old one is moved aside after a confirmation')
    .option('--yes', 'confirm --fresh without a prompt')
    .option('--with-funds', 'confirm --fresh although keys in the folder own a balance on a real chain')
    .option('--detach', 'return when the fleet is ready; stop it with `kintsugi down`')
    .option('-v, --verbose', 'print every trade with route, amounts and hash')
    .action(async (options) => (await import('../up.ts')).up(options))
  planOptions(program.command('doctor'))
    .description('check everything that `up` needs: settings, external services, ports, disk, programs')
    .action(async (options) => (await import('../doctor.ts')).doctor(options))
}

/** The options that decide what a fleet is. */
function planOptions(command: Command): Command {
  return command
    .addOption(new Option('--profile <name>', 'services to start').choices([...PROFILES]).default('complete'))
    .addOption(
      new Option('--isolation <kind>', 'cell: services share processes by duty; process: one each')
        .choices(['cell', 'process'])
        .default('cell'),
    )
    .option('--port-offset <n>', 'add this to every port', whole(0, MAX_OFFSET), 0)
    .addOption(data())
    .addOption(
      new Option(
        '--chain <name>',
        'chain (default: the one whose NAME_RPC_URL is set, else the embedded one)',
      ).choices(['local', ...CHAINS]),
    )
    .option('--market <file>', 'build the local market from a market-snapshot/1 file')
    .option('--seed <n>', 'seed of the local market and its traders', whole(0, MAX_SEED), 1)
    .option('--block-seconds <n>', 'seconds between blocks of the local chain', whole(1, 60), 2)
    .option('--orders <n>', 'mean number of orders per block of the local traders', whole(0, 20), 4)
    .addOption(
      new Option('--traders <onoff>', 'local traders (default: on; off with --market)').choices([
        'on',
        'off',
      ]),
    )
    .option(
      '--competitors <n>',
      'competing bots on the local chain (default: 1; 0 with --market)',
      whole(0, 8),
    )
    .addOption(json())
}

function showCommands(program: Command): void {
  program
    .command('status')
    .description('show all services, the chain and the profit')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../status.ts')).status(options))
  program
    .command('health')
    .description('list unhealthy services; exit code 0 if there are none')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../status.ts')).health(options))
  program
    .command('info')
    .description('show the catalogue, the data folder and versions')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../status.ts')).info(options))
  program
    .command('logs')
    .description('show the log of a service or process, or of all')
    .argument('[service]')
    .option('-n, --lines <n>', 'number of lines', whole(1, 100_000), 50)
    .option('-f, --follow', 'print new lines as they are written')
    .option('--since <time>', 'only lines since then: 90s, 10m, 2h, 3d ago, or an ISO date', since(Date.now))
    .addOption(new Option('--level <level>', 'only lines of this level or above').choices([...LOG_LEVELS]))
    .addOption(data())
    .addOption(json())
    .action(async (service, options) => (await import('../logs.ts')).logs(service, options))
  program
    .command('incidents')
    .description('list recent incidents and the action taken')
    .option('-n, --lines <n>', 'number of incidents', whole(1, 200), 30)
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../status.ts')).incidents(options))
}

function controlCommands(program: Command): void {
  program
    .command('down')
    .description('stop the fleet')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../control.ts')).down(options))
  program
    .command('halt')
    .description('halt trading: nothing is signed or sent until `kintsugi resume`, whatever restarts')
    .argument('[reason]', 'why, for people')
    .addOption(data())
    .addOption(json())
    .action(async (reason, options) => (await import('../halt.ts')).halt(reason, options))
  program
    .command('resume')
    .description('resume trading after `kintsugi halt`')
    .option('--yes', 'do not ask for confirmation')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../halt.ts')).resume(options))
  program
    .command('restart')
    .description('restart the process of a service')
    .argument('<service>')
    .addOption(data())
    .addOption(json())
    .action(async (service, options) => (await import('../control.ts')).restart(service, options))
  program
    .command('stop')
    .description('stop a service, and all services of its process, until it is started')
    .argument('<service>')
    .option('--for <seconds>', 'start it again after this time', whole(1, 86_400))
    .option('--yes', 'stop the services of its process too without a prompt')
    .option('--force', 'allow to stop infrastructure: hub, database, chain')
    .addOption(data())
    .addOption(json())
    .action(async (service, options) => (await import('../control.ts')).stopService(service, options))
  program
    .command('start')
    .description('start a stopped or quarantined service')
    .argument('<service>')
    .addOption(data())
    .addOption(json())
    .action(async (service, options) => (await import('../control.ts')).startService(service, options))
}

function toolCommands(program: Command): void {
  program
    .command('call')
    .description('call a tool: kintsugi call mcp_price_feed_server price_query \'{"symbol":"ETH"}\'')
    .argument('<service>')
    .argument('<tool>')
    .argument('[arguments]', 'a JSON object', '{}')
    .addOption(data())
    .addOption(json())
    .action(async (service, tool, argumentsText, options) =>
      (await import('../control.ts')).call(service, tool, argumentsText, options),
    )
  program
    .command('test')
    .description('check the running system: every service, and the example of every tool that only reads')
    .option('--quick', 'health and readiness only')
    .option('--with-writes', 'also the examples of tools that change something; on the embedded chain only')
    .addOption(data())
    .addOption(json())
    .action(async (options) => (await import('../system-test.ts')).systemTest(options))
}
