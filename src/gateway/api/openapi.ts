/** The REST API as an OpenAPI document: its addresses here, its shapes from `schema.ts`. */
import { SHAPES } from './shapes.gen.ts'

type Shape = keyof typeof SHAPES
type Schema = Readonly<Record<string, unknown>>

/** A parameter of a path; `schema` is its JSON Schema. */
export interface Parameter {
  readonly name: string
  readonly in: 'query' | 'path'
  readonly description: string
  readonly schema:
    | { readonly type: 'string'; readonly enum?: readonly string[] }
    | {
        readonly type: 'integer'
        readonly minimum: number
        readonly maximum: number
        readonly default: number
      }
}

interface OperationDescription {
  readonly summary: string
  readonly parameters?: readonly Parameter[]
  /** The body's fields. */
  readonly body?: Schema
  /** The answer's fields. */
  readonly answer: Schema
  /** Needs a token with this scope. */
  readonly scope?: string
}

const of = (shape: Shape): Schema => ({ $ref: `#/components/schemas/${shape}` })
const object = (
  properties: Readonly<Record<string, Schema>>,
  required = Object.keys(properties),
): Schema => ({ type: 'object', properties, required })
const list = (items: Schema): Schema => ({ type: 'array', items })
const text: Schema = { type: 'string' }

const inPath = (name: string, description: string): Parameter => ({
  name,
  in: 'path',
  description,
  schema: { type: 'string' },
})
const whole = (
  name: string,
  description: string,
  minimum: number,
  maximum: number,
  defaultValue: number,
): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type: 'integer', minimum, maximum, default: defaultValue },
})
const page = (max: number, defaultValue: number) => [
  whole('limit', 'maximum number, newest first', 1, max, defaultValue),
  whole('offset', 'number to skip', 0, 10_000_000, 0),
]
/** A page of a list, newest first. */
const paged = (name: string, shape: Shape): Schema =>
  object({
    [name]: list(of(shape)),
    total: { type: 'integer', description: 'number of items on all pages' },
    next: { type: ['string', 'null'], description: 'path of the next page; null on the last one' },
  })
const choice = (name: string, description: string, ...values: string[]): Parameter => ({
  name,
  in: 'query',
  description,
  schema: { type: 'string', enum: values },
})

const halt = object({ by: text, at: { type: 'number' }, reason: text })
const services = { type: 'object', additionalProperties: of('ServiceView') }

const PATHS: Readonly<Record<string, Partial<Record<'get' | 'post', OperationDescription>>>> = {
  '/status': {
    get: { summary: 'Status of services, books, chain and accounts', answer: of('StatusView') },
  },
  '/servers': { get: { summary: 'Servers and their state', answer: object({ servers: services }) } },
  '/agents': { get: { summary: 'Agents and their state', answer: object({ agents: services }) } },
  '/trades': {
    get: {
      summary: 'Booked trades',
      parameters: [...page(500, 100), choice('chain', 'only trades of the current chain', 'current')],
      answer: paged('trades', 'TradeView'),
    },
  },
  '/paper-trades': {
    get: {
      summary: 'Trades on paper, judged by the next block',
      parameters: page(500, 100),
      answer: paged('trades', 'PaperTradeView'),
    },
  },
  '/profit-series': {
    get: {
      summary: 'Cumulative profit at evenly spaced points; the last one equals the booked totals',
      parameters: [choice('range', 'the span up to now (default: all)', '1h', '24h', 'all')],
      answer: of('ProfitSeriesView'),
    },
  },
  '/opportunities': {
    get: {
      summary: 'Decisions, with every rule and its numbers',
      parameters: [
        ...page(100, 50),
        choice('verdict', 'only decisions with this verdict', 'trade', 'refuse'),
      ],
      answer: paged('opportunities', 'OpportunityView'),
    },
  },
  '/opportunities/{id}': {
    get: {
      summary: 'One decision, complete',
      parameters: [inPath('id', 'id of the decision')],
      answer: object({
        opportunity: of('OpportunityView'),
        record: { type: 'object', description: 'the record as stored in the ledger' },
      }),
    },
  },
  '/approvals': {
    get: {
      summary: 'Approvals, pending and decided, and the approval policy',
      answer: object({ approvals: list(of('ApprovalView')), policy: of('ApprovalPolicyView') }),
    },
  },
  '/approvals/{id}': {
    post: {
      summary: 'Approve or refuse a call',
      parameters: [inPath('id', 'id of the approval')],
      body: object({
        digest: { ...text, description: 'digest of the approval, as it was shown' },
        approve: { type: 'boolean' },
      }),
      answer: object({ approval: of('ApprovalView') }),
      scope: 'spend, for the tool that is called',
    },
  },
  '/approvals/policy': {
    post: {
      summary: 'Change which calls need an approval',
      body: object(
        {
          tools: list({ ...text, description: '*, a server, or server__tool' }),
          atClient: { type: 'boolean' },
          minutes: { type: 'integer', minimum: 1, maximum: 1_440 },
        },
        [],
      ),
      answer: object({ policy: of('ApprovalPolicyView') }),
      scope: 'spend',
    },
  },
  '/halt': {
    post: {
      summary: 'Halt trading: nothing is signed or sent until it is resumed',
      body: object({ reason: { ...text, description: 'why, for people' } }, []),
      answer: object({ halt }),
      scope: 'write:mcp_risk_manager_server',
    },
  },
  '/resume': {
    post: {
      summary: 'Resume trading',
      body: object({
        haltedAt: { type: 'number', description: '`at` of the halt in force, as it was shown' },
      }),
      answer: object({ ended: halt }),
      scope: 'write:mcp_risk_manager_server',
    },
  },
  '/restart/{service}': {
    post: {
      summary: 'Restart the process of a service',
      parameters: [inPath('service', 'its id')],
      answer: object({ restarting: { type: 'object' } }),
      scope: 'write:{service}',
    },
  },
}

const errorReport: Schema = object(
  {
    error: object(
      {
        code: { ...text, description: 'stable' },
        message: { ...text, description: 'for people' },
        hint: { ...text, description: 'what to do about it' },
        retry: { type: 'string', enum: ['never', 'now', 'later'] },
        data: { type: 'object', description: 'facts for programs' },
      },
      ['code', 'message', 'retry'],
    ),
  },
  ['error'],
)

const PARAMETERS: ReadonlyMap<string, readonly Parameter[]> = new Map(
  Object.entries(PATHS).flatMap(([path, methods]) =>
    Object.entries(methods).map(
      ([method, { parameters = [] }]) =>
        [`${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`, parameters] as const,
    ),
  ),
)

/** Every route of the API: method and path, in Hono's notation. */
export const API_ROUTES: readonly string[] = [...PARAMETERS.keys()]

/** The parameters of a route, named as in `API_ROUTES`. */
export const parametersOf = (route: string): readonly Parameter[] => PARAMETERS.get(route) ?? []

const json = (schema: Schema) => ({ content: { 'application/json': { schema } } })

/** OpenAPI 3.1. `base`: prefix of the paths. */
export function openApi(version: string, base: string): Record<string, unknown> {
  const operation = ({ summary, parameters = [], body, answer, scope }: OperationDescription) => ({
    summary,
    ...(scope === undefined
      ? {}
      : { description: `Needs a token with the scope ${scope}.`, security: [{ token: [] }] }),
    ...(parameters.length === 0
      ? {}
      : { parameters: parameters.map((each) => ({ ...each, required: each.in === 'path' })) }),
    ...(body ? { requestBody: { required: true, ...json(body) } } : {}),
    responses: {
      200: { description: 'done', ...json(answer) },
      503: {
        description: 'busy or unavailable; nothing was done',
        headers: { 'Retry-After': { description: 'seconds to wait', schema: { type: 'integer' } } },
        ...json(of('ErrorBody' as Shape)),
      },
      default: { description: 'refused, or failed', ...json(of('ErrorBody' as Shape)) },
    },
  })
  return {
    openapi: '3.1.0',
    info: {
      title: 'Kintsugi',
      version,
      description: 'Amounts are decimal strings in the smallest unit; times are ms since 1970.',
    },
    servers: [{ url: base }],
    paths: Object.fromEntries(
      Object.entries(PATHS).map(([path, methods]) => [
        path,
        Object.fromEntries(
          Object.entries(methods).map(([method, described]) => [method, operation(described)]),
        ),
      ]),
    ),
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } },
      schemas: { ...SHAPES, ErrorBody: errorReport },
    },
  }
}
