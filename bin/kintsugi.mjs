#!/usr/bin/env node
// Runs the command line on a Node new enough: an older one starts again with the Node that npm brought along.
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import net from 'node:net'
import { dirname, join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'

const root = dirname(dirname(fileURLToPath(import.meta.url)))
// Sockets that outlive the processes that answer on them need Node 24 (net.BoundSocket).
if ('BoundSocket' in net) {
  // In a checkout, a start with newer sources builds first; an installed package comes built.
  const script = join(root, 'scripts/build.ts')
  const bundled = join(root, 'dist/cli.js')
  if (existsSync(script) && (process.argv[2] === 'up' || !existsSync(bundled))) {
    const { isStale, build } = await import(pathToFileURL(script).href)
    if (isStale()) await build()
  }
  await import(pathToFileURL(bundled).href)
} else {
  const node = newerNode()
  if (!node) {
    console.error(
      `kintsugi needs a current Node 24; this is ${process.version}, and the package node-${process.platform}-${process.arch} that would bring one is not installed.\nRun \`npm ci\` with optional dependencies, or install a newer Node.`,
    )
    process.exit(1)
  }
  const child = spawn(node, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], { stdio: 'inherit' })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal ? 1 : 0)))
}

function newerNode() {
  try {
    const path = join(
      dirname(
        createRequire(import.meta.url).resolve(`node-${process.platform}-${process.arch}/package.json`),
      ),
      'bin/node',
    )
    return existsSync(path) ? path : undefined
  } catch {
    return undefined
  }
}
