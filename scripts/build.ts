/**
 * Builds dist: one bundle for all processes, with code splitting so that each process loads only its own
 * code, and the dashboard's page.
 */
import { existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const root = join(import.meta.dirname, '..')
const dist = join(root, 'dist')
const stamp = join(dist, '.built')

/** Time of the latest change below a folder, in ms since 1970. */
function newest(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true }).reduce(
    (latest, entry) =>
      entry.isFile() ? Math.max(latest, statSync(join(entry.parentPath, entry.name)).mtimeMs) : latest,
    0,
  )
}

/** Whether the sources changed since the last build. */
export function isStale(): boolean {
  return (
    !existsSync(stamp) ||
    statSync(stamp).mtimeMs <
      Math.max(
        newest(join(root, 'src')),
        newest(join(root, 'scripts')),
        statSync(join(root, 'package.json')).mtimeMs,
      )
  )
}

/** Builds the bundle and the page. Throws the bundler's errors. */
export async function build(): Promise<void> {
  const { build: bundle } = await import('esbuild')
  const processes = ['keeper', 'supervisor', 'cell', 'hub', 'localnet', 'discovery', 'signer']
  // Chunks are named by their content: a running fleet keeps the chunks of its build, which it may still
  // load.
  mkdirSync(dist, { recursive: true })
  await bundle({
    entryPoints: {
      ...Object.fromEntries(processes.map((name) => [name, join(root, 'src/processes', `${name}.ts`)])),
      cli: join(root, 'src/cli/main.ts'),
    },
    absWorkingDir: root,
    outdir: dist,
    bundle: true,
    splitting: true,
    minify: true,
    keepNames: true,
    format: 'esm',
    platform: 'node',
    target: 'node22',
    external: ['pg-native'],
    // Its main file is UMD: bundlers cannot follow its imports.
    alias: { 'jsonc-parser': 'jsonc-parser/lib/esm/main.js' },
    chunkNames: 'chunks/[name]-[hash]',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
    logLevel: 'warning',
  })
  // The page is always a production build, also when a test builds it.
  process.env.NODE_ENV = 'production'
  const { build: bundlePage } = await import('vite')
  await bundlePage({ configFile: join(root, 'src/web/vite.config.ts'), mode: 'production', logLevel: 'warn' })
  writeFileSync(stamp, '')
}

if (import.meta.main) {
  rmSync(dist, { recursive: true, force: true })
  await build()
}
