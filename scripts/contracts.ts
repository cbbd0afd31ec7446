/**
 * Compiles contracts/src into contracts/artifacts with the solc package; with --check, compares instead of
 * writing. The bytecode depends on the settings here; foundry.toml repeats them for the tests.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const check = process.argv.includes('--check')
const solc = createRequire(import.meta.url)('solc') as { compile(input: string): string; version(): string }
const sources = Object.fromEntries(
  readdirSync(join(root, 'contracts/src')).map((file) => [
    `src/${file}`,
    { content: readFileSync(join(root, 'contracts/src', file), 'utf8') },
  ]),
)
const output = JSON.parse(
  solc.compile(
    JSON.stringify({
      language: 'Solidity',
      sources,
      settings: {
        optimizer: { enabled: true, runs: 1_000_000 },
        viaIR: true,
        evmVersion: 'cancun',
        metadata: { bytecodeHash: 'none', appendCBOR: false },
        outputSelection: { '*': { '*': ['abi', 'evm.bytecode.object', 'evm.deployedBytecode.object'] } },
      },
    }),
  ),
)
const errors = (output.errors ?? []).filter((entry: { severity: string }) => entry.severity === 'error')
if (errors.length > 0) {
  for (const error of errors) console.error(error.formattedMessage)
  process.exit(1)
}
mkdirSync(join(root, 'contracts/artifacts'), { recursive: true })
let stale = 0
for (const [source, contracts] of Object.entries(
  output.contracts as Record<
    string,
    Record<string, { abi: unknown[]; evm: Record<'bytecode' | 'deployedBytecode', { object: string }> }>
  >,
)) {
  for (const [name, contract] of Object.entries(contracts)) {
    if (contract.evm.bytecode.object === '') continue
    const path = join(root, 'contracts/artifacts', `${name}.json`)
    const text = `${JSON.stringify({ contractName: name, source, compiler: solc.version(), abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}`, deployedBytecode: `0x${contract.evm.deployedBytecode.object}` }, null, 1)}\n`
    if (!check) writeFileSync(path, text)
    else if (readFileSync(path, 'utf8') !== text) {
      stale++
      console.error(
        `contracts/artifacts/${name}.json differs from the compiled ${source}: run \`node scripts/contracts.ts\``,
      )
    }
  }
}
if (stale > 0) process.exit(1)
console.log(check ? 'contracts: bytecode matches the sources' : 'contracts: compiled')
