/**
 * Rules for source files that need a syntax tree: length of functions, docstrings of exports, state of
 * modules.
 */
import { readFileSync } from 'node:fs'
import { type Comment, type Node, type Program, parseSync, visitorKeys } from 'oxc-parser'

export interface SourceFile {
  readonly text: string
  readonly program: Program
  readonly comments: readonly Comment[]
}

/** Parses a TypeScript file. Throws with the first message for a file with syntax errors. */
export function parseSource(path: string, text = readFileSync(path, 'utf8')): SourceFile {
  const { program, comments, errors } = parseSync(path, text)
  if (errors[0]) throw new Error(`${path}: ${errors[0].message}`)
  return { text, program, comments }
}

const lineAt = ({ text }: SourceFile, offset: number) => text.slice(0, offset).split('\n').length

/**
 * Functions of more than `maxLines` lines, as `line: count lines`. A function counts the functions nested in
 * it, unless it only returns an object literal: that is a definition, and each function in it counts for
 * itself.
 */
export function longFunctions(source: SourceFile, maxLines: number): string[] {
  const found: string[] = []
  walk(source.program, (node) => {
    if (!isFunction(node) || returnsLiteral(node)) return
    const [first, last] = [lineAt(source, node.start), lineAt(source, node.end)]
    if (last - first + 1 > maxLines) found.push(`line ${first}: ${last - first + 1} lines`)
  })
  return found
}

function returnsLiteral(node: Node): boolean {
  if (node.type !== 'ArrowFunctionExpression') return false
  const body = node.body.type === 'ParenthesizedExpression' ? node.body.expression : node.body
  return body.type === 'ObjectExpression'
}

/**
 * Names that a file declares and exports without a docstring directly before the export. One docstring covers
 * all overloads.
 */
export function undocumentedExports(source: SourceFile): string[] {
  const undocumented = new Set<string>()
  const documented = new Set<string>()
  const declared = new Map<string, number>()
  const check = (name: string, start: number) =>
    (hasDocstring(source, start) ? documented : undocumented).add(name)
  for (const statement of source.program.body) {
    for (const name of namesOf(statement)) declared.set(name, statement.start)
    if (statement.type === 'ExportDefaultDeclaration') check('default', statement.start)
    if (statement.type !== 'ExportNamedDeclaration' || statement.source !== null) continue
    if (statement.declaration) for (const name of namesOf(statement.declaration)) check(name, statement.start)
    for (const { local } of statement.specifiers) {
      const name = local.type === 'Literal' ? local.value : local.name
      const start = declared.get(name)
      if (start !== undefined) check(name, start)
    }
  }
  return [...undocumented].filter((name) => !documented.has(name))
}

function hasDocstring({ text, comments }: SourceFile, start: number): boolean {
  return comments.some(
    (comment) =>
      comment.type === 'Block' &&
      comment.value.startsWith('*') &&
      comment.end <= start &&
      text.slice(comment.end, start).trim() === '',
  )
}

const MUTATORS =
  /^(push|pop|shift|unshift|splice|sort|reverse|fill|copyWithin|set|add|delete|clear|assign|defineProperty)$/

/**
 * State at module level: `let`, instances, empty lists, and constants whose content the file changes; as
 * `line: why`. A `Map` or `Set` of given entries that nothing changes is a constant.
 */
export function moduleState(source: SourceFile): string[] {
  const found: string[] = []
  const note = (node: Node, why: string) => found.push(`line ${lineAt(source, node.start)}: ${why}`)
  const constants = new Set<string>()
  for (const statement of source.program.body) {
    const declaration = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement
    if (declaration?.type !== 'VariableDeclaration') continue
    if (declaration.kind !== 'const') note(declaration, declaration.kind)
    for (const { id, init } of declaration.declarations) {
      if (id.type === 'Identifier') constants.add(id.name)
      if (init && isEmptyList(init)) note(init, 'an empty list, to be filled later')
      if (init) walk(init, (node) => isInstance(node) && note(node, 'an instance'), isFunction)
    }
  }
  walk(source.program, (node) => {
    const target = mutated(node)
    if (target !== undefined && constants.has(target)) note(node, `changes ${target}`)
  })
  return found
}

const isInstance = (node: Node): boolean =>
  node.type === 'NewExpression' &&
  !(
    node.callee.type === 'Identifier' &&
    /^(Map|Set|RegExp|URL)$/.test(node.callee.name) &&
    node.arguments.length > 0
  )

function isEmptyList(node: Node): boolean {
  if (node.type === 'TSSatisfiesExpression') return isEmptyList(node.expression)
  if (node.type === 'TSAsExpression') {
    const { typeAnnotation: type, expression } = node
    const isConst =
      type.type === 'TSTypeReference' && type.typeName.type === 'Identifier' && type.typeName.name === 'const'
    return !isConst && isEmptyList(expression)
  }
  return node.type === 'ArrayExpression' && node.elements.length === 0
}

/** The variable whose content a node changes: by assignment to a member, or by a method that mutates. */
function mutated(node: Node): string | undefined {
  if (node.type === 'AssignmentExpression')
    return node.left.type === 'MemberExpression' ? rootOf(node.left) : undefined
  if (node.type === 'UpdateExpression')
    return node.argument.type === 'MemberExpression' ? rootOf(node.argument) : undefined
  if (node.type === 'UnaryExpression' && node.operator === 'delete') return rootOf(node.argument)
  if (node.type !== 'CallExpression' || node.callee.type !== 'MemberExpression') return undefined
  const { object, property } = node.callee
  if (property.type !== 'Identifier' || !MUTATORS.test(property.name)) return undefined
  const first = node.arguments[0]
  return object.type === 'Identifier' && object.name === 'Object' && first ? rootOf(first) : rootOf(object)
}

function rootOf(node: Node): string | undefined {
  if (node.type === 'MemberExpression') return rootOf(node.object)
  return node.type === 'Identifier' ? node.name : undefined
}

/** Names that a statement declares. */
function namesOf(node: Node): string[] {
  switch (node.type) {
    case 'VariableDeclaration':
      return node.declarations.flatMap(({ id }) => (id.type === 'Identifier' ? [id.name] : []))
    case 'FunctionDeclaration':
    case 'TSDeclareFunction':
    case 'ClassDeclaration':
      return node.id ? [node.id.name] : []
    case 'TSInterfaceDeclaration':
    case 'TSTypeAliasDeclaration':
    case 'TSEnumDeclaration':
      return [node.id.name]
    default:
      return []
  }
}

const isFunction = (node: Node) =>
  node.type === 'FunctionDeclaration' ||
  node.type === 'FunctionExpression' ||
  node.type === 'ArrowFunctionExpression'

/** Calls `visit` for a node and its descendants; not for those below a node that `stop` accepts. */
function walk(node: Node, visit: (node: Node) => void, stop?: (node: Node) => boolean): void {
  visit(node)
  if (stop?.(node)) return
  for (const key of visitorKeys[node.type] ?? []) {
    const child: unknown = Reflect.get(node, key)
    for (const each of Array.isArray(child) ? child : [child]) if (isNode(each)) walk(each, visit, stop)
  }
}

const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && 'type' in value && typeof value.type === 'string'
