/** The layers as one literal, and the rules for every file. */
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { expect, test } from 'vitest'
import { longFunctions, moduleState, parseSource, undocumentedExports } from './support/source-rules.ts'

const root = resolve(import.meta.dirname, '..')

/** Folder to layer: a file may import its own folder and any lower layer. `pure` folders touch no clock, randomness, environment, network or files. */
const LAYERS: Readonly<Record<string, { layer: number; pure?: true }>> = {
  std: { layer: 0 },
  amm: { layer: 1, pure: true },
  graph: { layer: 2, pure: true },
  flash: { layer: 2, pure: true },
  arbitrage: { layer: 3, pure: true },
  intents: { layer: 3, pure: true },
  fleet: { layer: 3, pure: true },
  search: { layer: 3, pure: true },
  access: { layer: 3, pure: true },
  audit: { layer: 3, pure: true },
  trust: { layer: 3, pure: true },
  ports: { layer: 4 },
  mcp: { layer: 5 },
  engine: { layer: 5 },
  views: { layer: 5.5 },
  adapters: { layer: 6 },
  servers: { layer: 6 },
  agents: { layer: 6 },
  localnet: { layer: 7 },
  supervisor: { layer: 7 },
  gateway: { layer: 7 },
  signer: { layer: 7 },
  processes: { layer: 8 },
  cli: { layer: 9 },
  web: { layer: 9 },
}
const MAX_LINES = 500
const MAX_FUNCTION_LINES = 80
/** The only files that may import the MCP SDK outside the kit. */
const SDK = /^@modelcontextprotocol\//
const SDK_ALLOWED = ['src/mcp/', 'src/gateway/mcp/', 'src/adapters/connections/']

const files = readdirSync(join(root, 'src'), { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && /\.tsx?$/.test(entry.name))
  .map((entry) => relative(root, join(entry.parentPath, entry.name)))
const product = files.filter(
  (file) => !/\.test\.tsx?$/.test(file) && !file.endsWith('.gen.ts') && !file.endsWith('vite.config.ts'),
)

interface Import {
  from: string
  to: string
  typeOnly: boolean
  /** A dynamic import. */
  lazy: boolean
}

function importsOf(file: string): Import[] {
  const text = readFileSync(join(root, file), 'utf8')
  const statements = text.matchAll(
    /(?:^|\n)\s*(?:import|export)(\s+type)?\s+(?:[\w$*{}\s,]+?\sfrom\s*)?['"]([^'"]+)['"]|(typeof\s+)?import\(\s*['"]([^'"]+)['"]\s*\)(\.[A-Z])?/g,
  )
  return [...statements].map((match) => {
    const specifier = (match[2] ?? match[4]) as string
    return {
      from: file,
      to: specifier.startsWith('.') ? relative(root, resolve(root, dirname(file), specifier)) : specifier,
      typeOnly: match[1] !== undefined || match[5] !== undefined,
      lazy: match[4] !== undefined,
    }
  })
}
const folderOf = (file: string) => file.split('/')[1] as string

test('every folder has a layer', () => {
  expect([...new Set(files.map(folderOf))].filter((folder) => !(folder in LAYERS))).toEqual([])
})

test('imports point downward', () => {
  const wrong: string[] = []
  for (const file of product) {
    for (const { to, typeOnly } of importsOf(file)) {
      if (!to.startsWith('src/')) continue
      const [from, target] = [folderOf(file), folderOf(to)]
      if (from === target || (LAYERS[target]?.layer ?? 0) < (LAYERS[from]?.layer ?? 0)) continue
      wrong.push(`${file} -> ${to}${typeOnly ? ' (type)' : ''}`)
    }
  }
  expect(wrong).toEqual([])
})

test('the page imports only the types of the API', () => {
  const wrong = product
    .filter((file) => file.startsWith('src/web/'))
    .flatMap(importsOf)
    .filter(
      ({ to }) => to.startsWith('src/') && !to.startsWith('src/web/') && to !== 'src/gateway/api/schema.ts',
    )
  expect(wrong).toEqual([])
})

test('no import cycles, imports of types included', () => {
  const edges = new Map(product.map((file) => [file, importsOf(file).map(({ to }) => to)]))
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (file: string, path: string[]) => {
    if (path.includes(file)) {
      cycles.push([...path.slice(path.indexOf(file)), file].join(' -> '))
      return
    }
    if (done.has(file)) return
    for (const next of edges.get(file) ?? []) if (edges.has(next)) visit(next, [...path, file])
    done.add(file)
  }
  for (const file of edges.keys()) visit(file, [])
  expect(cycles).toEqual([])
})

/**
 * `import { type A, type B } from` leaves only an import of the module itself once types are stripped; it
 * counts as a type import here.
 */
function isTypesOnly({ from, to }: Import): boolean {
  const text = readFileSync(join(root, from), 'utf8')
  return [...text.matchAll(/import\s*\{([^}]*)\}\s*from\s*['"]([^'"]+)['"]/g)]
    .filter((match) => relative(root, resolve(root, dirname(from), match[2] as string)) === to)
    .every((match) =>
      (match[1] as string).split(',').every((name) => name.trim() === '' || name.trim().startsWith('type ')),
    )
}

/** Code takes memory in every process that loads it. */
const SPARED: Readonly<Record<string, RegExp>> = {
  keeper: /./,
  hub: /./,
  supervisor: /^(zod|viem|ioredis|hono|@modelcontextprotocol\/)/,
  signer: /^(pg|ioredis|hono|@modelcontextprotocol\/)/,
  localnet: /^(ioredis|hono|@modelcontextprotocol\/)/,
  discovery: /^(ioredis|hono|@modelcontextprotocol\/)/,
  cell: /^(ioredis|@modelcontextprotocol\/client|@opentelemetry\/(?!api)|@kubernetes)/,
}

test.each(Object.entries(SPARED))(
  'the process %s loads no large module that it does not need',
  (name, large) => {
    const seen = new Set<string>()
    const found: string[] = []
    const visit = (file: string, path: readonly string[]) => {
      if (seen.has(file)) return
      seen.add(file)
      for (const one of importsOf(file)) {
        if (one.typeOnly || one.lazy) continue
        if (one.to.startsWith('src/')) {
          if (!isTypesOnly(one)) visit(one.to, [...path, one.to])
        } else if (large.test(one.to) && !one.to.startsWith('node:'))
          found.push([...path, one.to].join(' > '))
      }
    }
    visit(`src/processes/${name}.ts`, [])
    expect(seen.size).toBeGreaterThan(1)
    expect(found).toEqual([])
  },
)

test('zod is imported as a namespace, so that the bundler drops its locales', () => {
  expect(
    product.filter((file) => /import \{[^}]*\} from 'zod'/.test(readFileSync(join(root, file), 'utf8'))),
  ).toEqual([])
})

test('pure folders are pure', () => {
  // A hash is a function of its input.
  const impure =
    /\bDate\.now\b|\bnew Date\(|\bMath\.random\b|\bprocess\.\w|\bfetch\(|\bperformance\.|\bsetTimeout\b|\bsetInterval\b|(?<!import \{ createHash \} )from 'node:/
  const wrong = product.filter(
    (file) => LAYERS[folderOf(file)]?.pure && impure.test(readFileSync(join(root, file), 'utf8')),
  )
  expect(wrong).toEqual([])
})

test('src/amm depends on nothing', () => {
  expect(
    product
      .filter((file) => file.startsWith('src/amm/'))
      .flatMap(importsOf)
      .filter(({ to }) => !to.startsWith('src/amm/')),
  ).toEqual([])
})

test('only the kit and the gateway use the MCP SDK', () => {
  expect(
    product
      .filter((file) => !SDK_ALLOWED.some((allowed) => file.startsWith(allowed)))
      .flatMap(importsOf)
      .filter(({ to }) => SDK.test(to)),
  ).toEqual([])
})

test('files have at most 500 lines and descriptive names', () => {
  const lines = (file: string) => readFileSync(join(root, file), 'utf8').split('\n').length - 1
  const long = files.filter((file) => !file.endsWith('.gen.ts') && lines(file) > MAX_LINES)
  expect(long.map((file) => [file, lines(file)])).toEqual([])
  expect(
    files.filter((file) => /(^|\/)(utils|helpers|common|services|manager)(\/|\.ts$)/.test(file)),
  ).toEqual([])
})

test('comments fit the line width', () => {
  const { lineWidth } = JSON.parse(readFileSync(join(root, 'biome.json'), 'utf8')).formatter as {
    lineWidth: number
  }
  const isComment = (line: string) => /^ *(\/\*\*|\*|\/\/) /.test(line)
  const wide = (file: string) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .filter((line) => isComment(line) && line.length > lineWidth)
  expectNone(product.map((file) => [file, wide(file)]))
})

test('keys stay with the signer', () => {
  const wrong = product.filter(
    (file) => !file.startsWith('src/signer/') && importsOf(file).some(({ to }) => to === 'viem/accounts'),
  )
  expect(wrong).toEqual([])
})

/** Expects no violations in any file. */
function expectNone(found: readonly (readonly [file: string, violations: readonly string[]])[]) {
  expect(found.length).toBeGreaterThan(0)
  expect(found.filter(([, violations]) => violations.length > 0)).toEqual([])
}
const filesIn = (...folders: readonly string[]) =>
  product.filter((file) => folders.some((folder) => file.startsWith(`src/${folder}/`)))

test('functions have at most 80 lines', () => {
  const others = ['scripts', 'bench'].flatMap((folder) =>
    readdirSync(join(root, folder))
      .filter((name) => name.endsWith('.ts'))
      .map((name) => `${folder}/${name}`),
  )
  const checked = [...product.filter((file) => !file.startsWith('src/amm/')), ...others]
  expectNone(checked.map((file) => [file, longFunctions(parseSource(join(root, file)), MAX_FUNCTION_LINES)]))
})

test('every export of the kit, the ports and the folders below them has a docstring', () => {
  expectNone(
    filesIn('std', 'amm', 'graph', 'intents', 'ports', 'mcp').map((file) => [
      file,
      undocumentedExports(parseSource(join(root, file))),
    ]),
  )
})

test('servers and agents keep no state in their modules', () => {
  expectNone(filesIn('servers', 'agents').map((file) => [file, moduleState(parseSource(join(root, file)))]))
})

test('the engine imports neither zod nor the kit', () => {
  const imports = (file: string) =>
    importsOf(file)
      .map(({ to }) => to)
      .filter((to) => to === 'zod' || to.startsWith('src/mcp/'))
  expectNone(filesIn('engine').map((file) => [file, imports(file)]))
})
