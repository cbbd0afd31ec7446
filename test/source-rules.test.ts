/** The rules of source files, each on a file that breaks it and on one that does not. */
import { expect, test } from 'vitest'
import { longFunctions, moduleState, parseSource, undocumentedExports } from './support/source-rules.ts'

const source = (text: string) => parseSource('sample.ts', text)

test('a function counts with the functions in it; a definition counts each for itself', () => {
  const inner = '  const inner = () => {\n    call()\n  }\n'
  expect(longFunctions(source(`function outer() {\n${inner}}\n`), 4)).toEqual(['line 1: 5 lines'])
  expect(longFunctions(source(`function outer() {\n${inner}}\n`), 5)).toEqual([])
  expect(longFunctions(source(`class A {\n  run() {\n    a()\n    b()\n  }\n}\n`), 3)).toEqual([
    'line 2: 4 lines',
  ])
  const definition = 'export const tools = () => ({\n  a: () => {\n    call()\n  },\n  b: 1,\n})\n'
  expect(longFunctions(source(definition), 3)).toEqual([])
  expect(longFunctions(source(definition), 2)).toEqual(['line 2: 3 lines'])
})

test('every kind of export needs a docstring directly before it', () => {
  const declarations = ['const a = 1', 'function b() {}', 'class C {}', 'interface D {}', 'type E = 1']
  const names = ['a', 'b', 'C', 'D', 'E']
  const exported = (before: string) => declarations.map((each) => `${before}export ${each}\n`).join('')
  expect(undocumentedExports(source(exported('')))).toEqual(names)
  expect(undocumentedExports(source(exported('// A comment.\n')))).toEqual(names)
  expect(undocumentedExports(source(exported('/* A comment. */\n')))).toEqual(names)
  expect(undocumentedExports(source(exported('/** A docstring. */\n')))).toEqual([])
  expect(undocumentedExports(source('/** Of the file. */\nimport "x"\nexport default 1\n'))).toEqual([
    'default',
  ])
  expect(undocumentedExports(source('const a = 1\nexport { a }\n'))).toEqual(['a'])
  expect(undocumentedExports(source('export { a } from "./a.ts"\nexport * from "./b.ts"\n'))).toEqual([])
})

test.each([
  'let a = 1',
  'export let a = 1',
  'const a: number[] = []',
  'const a = [] as number[]',
  'const a = new Map<string, number>()',
  'const a = new Log(200)',
  'const a = wrap(new Log(200))',
  'const a = [1]\nconst run = () => a.push(2)',
  'const a = new Map([[1, 2]])\nconst run = () => a.set(1, 3)',
  'const a = { b: 1 }\nfunction run() {\n  a.b = 2\n}',
  'const a = { b: { c: 1 } }\nconst run = () => a.b.c++',
  'const a = { b: 1 }\nconst run = () => delete a.b',
])('this is state of a module: %s', (text) => {
  expect(moduleState(source(`${text}\n`))).not.toEqual([])
})

test.each([
  'const a = 1',
  'const a = [] as const',
  'const a = [1, 2]\nconst run = () => a.map(String)',
  'const a = new Map([[1, 2]])\nconst run = () => a.get(1)',
  'const run = () => {\n  const a = []\n  a.push(1)\n}',
  'export default define({ state: () => new Log(200) })',
])('this is not state of a module: %s', (text) => {
  expect(moduleState(source(`${text}\n`))).toEqual([])
})
