#!/usr/bin/env node
import { readFileSync } from 'node:fs'
// The compiler from npm, speaking as the native one does: Foundry asks for its version and passes standard JSON.
import { createRequire } from 'node:module'

const solc = createRequire(import.meta.url)('solc')
if (process.argv.includes('--version'))
  console.log(
    `solc, the solidity compiler commandline interface\nVersion: ${solc.version().replace('.Emscripten.clang', '.Linux.g++')}`,
  )
else process.stdout.write(solc.compile(readFileSync(0, 'utf8')))
