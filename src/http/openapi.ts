// The OpenAPI document, made of the table of routes and the table of errors.
import { toJsonSchema, type ConversionConfig, type JsonSchema } from '@valibot/to-json-schema'
import * as v from 'valibot'
import { BANNER_FIELDS } from '../banner-fields.ts'
import { ERRORS, type ErrorCode, type ErrorKind } from '../errors.ts'
import type { FieldsSchema } from '../fields.ts'
import { problemType } from './problem.ts'
import type { Content, Operation, Route } from './route.ts'

type Json = Readonly<Record<string, unknown>>

/** What any request may be answered, before it comes to a route. */
const COMMON_ERRORS = [
  'bad_request',
  'request_timeout',
  'uri_too_long',
  'expectation_failed',
  'headers_too_large',
  'internal_error',
] as const satisfies readonly ErrorCode[]

/** Those that have a status to themselves, in most places. */
const SHARED_ERRORS: readonly ErrorCode[] = [
  ...COMMON_ERRORS.filter((code) => code !== 'bad_request'),
  'unauthorized',
  'body_too_large',
  'unsupported_media_type',
  'store_unavailable',
  'not_ready',
]

// The table's own keys.
const CODES = Object.keys(ERRORS) as ErrorCode[]
/** Where there is no such method. */
const METHOD_ERRORS: readonly ErrorCode[] = ['method_not_allowed']

const PROBLEM = v.object({
  type: v.pipe(v.string(), v.examples([problemType('invalid_parameter')])),
  title: v.string(),
  status: v.pipe(v.number(), v.integer()),
  code: v.pipe(
    v.picklist(CODES),
    v.description('From a closed table: a program may switch over it.'),
  ),
  detail: v.pipe(v.string(), v.description('For people: says what to change.')),
  errors: v.optional(
    v.pipe(
      v.array(v.object({ field: v.string(), message: v.string() })),
      v.description('The fields that are to blame.'),
    ),
  ),
  requestId: v.optional(
    v.pipe(
      v.string(),
      v.description('Of a 5xx; that of a 500 finds it in the log of the service.'),
    ),
  ),
})

export interface Description {
  readonly version: string
  /** Schemas that become components, by their names. */
  readonly schemas: Readonly<Record<string, v.GenericSchema>>
  /** Groups of operations, by name: what they have in common. */
  readonly tags: Readonly<Record<string, string>>
}

export function openApi(routes: readonly Route[], description: Description): Json {
  const { version, schemas, tags } = description
  const definitions = { ...schemas, Problem: PROBLEM }
  const toSchema = converter(definitions)
  return {
    openapi: '3.1.0',
    info: {
      title: 'Tallymark',
      version,
      description:
        'Counts clicks on banners, each acknowledged one exactly once. Every answer says how far it is complete. `HEAD` answers like `GET`, without a body.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: '/' }],
    tags: Object.entries(tags).map(([name, about]) => ({ name, description: about })),
    paths: pathsOf(routes, toSchema),
    components: {
      schemas: Object.fromEntries(Object.keys(definitions).map((name) => [name, toSchema(name)])),
      responses: Object.fromEntries(SHARED_ERRORS.map((code) => [code, problemResponse([code])])),
      examples: Object.fromEntries(
        CODES.filter((code) => !METHOD_ERRORS.includes(code)).map((code) => [
          code,
          { value: exampleOf(code) },
        ]),
      ),
      securitySchemes: {
        token: {
          type: 'http',
          scheme: 'bearer',
          description: 'The read token, or the admin token, which may change banners, too.',
        },
      },
    },
  }
}

function pathsOf(routes: readonly Route[], toSchema: ToSchema): Json {
  const paths: Record<string, Record<string, Json>> = {}
  for (const route of routes) {
    if (route.operation === undefined) continue
    const described = describe(route.path, route.operation, toSchema)
    const item = (paths[route.path.replaceAll(/:(\w+)/g, '{$1}')] ??= {})
    const methods = documented(route)
    for (const method of methods.map((each) => each.toLowerCase())) {
      // Ids are unique: a route of several methods has one for each, such as countClickByGet.
      const suffix =
        methods.length === 1 ? '' : `By${method.at(0)?.toUpperCase()}${method.slice(1)}`
      item[method] = { operationId: `${route.operation.id}${suffix}`, ...described }
    }
  }
  return paths
}

/** HEAD goes without saying where GET is told of. */
function documented({ methods }: Route): readonly string[] {
  return methods.includes('GET') ? methods.filter((method) => method !== 'HEAD') : methods
}

type ToSchema = (schema: v.GenericSchema | string) => Json

/** From a schema, or the name of a component. */
function converter(definitions: Readonly<Record<string, v.GenericSchema>>): ToSchema {
  const config: ConversionConfig = {
    target: 'draft-2020-12',
    typeMode: 'input',
    // What only code can check, such as a time zone, is left to the descriptions.
    ignoreActions: ['check'],
    definitions,
    overrideRef: ({ referenceId }) => `#/components/schemas/${referenceId}`,
  }
  return (schema) => {
    if (typeof schema !== 'string') return withoutMeta(toJsonSchema(schema, config))
    const { [schema]: own, ...others } = definitions
    return own === undefined
      ? {}
      : withoutMeta(toJsonSchema(own, { ...config, definitions: others }))
  }
}

function withoutMeta(schema: JsonSchema): Json {
  const own = Object.entries(schema).filter(([name]) => name !== '$schema' && name !== '$defs')
  return Object.fromEntries(own)
}

function describe(path: string, operation: Operation, toSchema: ToSchema): Json {
  const { tag, summary, description, query, headers, body, answer, errors } = operation
  const { isConditional = false } = operation
  const parameters = [
    ...(path.includes(':bannerId') ? [pathParameter(toSchema)] : []),
    ...parametersOf('query', query, toSchema),
    ...parametersOf('header', headers, toSchema),
  ]
  return {
    tags: [tag],
    summary,
    ...(description !== undefined && { description }),
    security: errors.includes('unauthorized') ? [{}, { token: [] }] : [{}],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== undefined && {
      requestBody: {
        description: body.description,
        required: body.isRequired,
        content: { 'application/json': { schema: toSchema(body.schema) } },
      },
    }),
    responses: {
      [answer.status]: responseOf(answer, toSchema),
      ...(isConditional && {
        304: { description: 'Not changed since it had that `If-None-Match`.' },
      }),
      ...problemsOf([...errors, ...COMMON_ERRORS]),
    },
  }
}

function pathParameter(toSchema: ToSchema): Json {
  return {
    name: 'bannerId',
    in: 'path',
    required: true,
    description: 'The banner, written plainly: no sign, no leading zero.',
    schema: toSchema(BANNER_FIELDS.id),
    example: 42,
  }
}

function parametersOf(
  place: 'query' | 'header',
  schema: FieldsSchema | undefined,
  toSchema: ToSchema,
): Json[] {
  return Object.entries(schema?.entries ?? {}).map(([name, entry]) => {
    const { description, ...rest } = toSchema(entry)
    return {
      name,
      in: place,
      required: entry.type !== 'optional',
      ...(description !== undefined && { description }),
      schema: rest,
    }
  })
}

function responseOf({ description, content, headers }: Operation['answer'], toSchema: ToSchema) {
  return {
    description,
    ...(headers !== undefined && {
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, about]) => [
          name,
          { description: about, schema: { type: 'string' } },
        ]),
      ),
    }),
    ...(content !== undefined && {
      content: Object.fromEntries(
        Object.entries<Content>(content).map(([type, { schema, example }]) => [
          type,
          { schema: schema === undefined ? { type: 'string' } : toSchema(schema), example },
        ]),
      ),
    }),
  }
}

/** By status, all codes of one together. */
function problemsOf(codes: readonly ErrorCode[]): Json {
  const byStatus = Map.groupBy(new Set(codes), (code) => ERRORS[code].status)
  return Object.fromEntries(
    [...byStatus].map(([status, some]) => [
      String(status),
      referenceOf(some) ?? problemResponse(some),
    ]),
  )
}

function referenceOf([code, ...others]: readonly ErrorCode[]): Json | undefined {
  const isShared = code !== undefined && others.length === 0 && SHARED_ERRORS.includes(code)
  return isShared ? { $ref: `#/components/responses/${code}` } : undefined
}

function problemResponse(codes: readonly ErrorCode[]): Json {
  return {
    description: codes.map((code) => `\`${code}\`: ${ERRORS[code].about}`).join(' '),
    ...headersOf(codes),
    content: {
      'application/problem+json': {
        schema: { $ref: '#/components/schemas/Problem' },
        examples: Object.fromEntries(
          codes.map((code) => [code, { $ref: `#/components/examples/${code}` }]),
        ),
      },
    },
  }
}

function headersOf([code]: readonly ErrorCode[]): Json {
  const status = code && ERRORS[code].status
  const name = status === 401 ? 'WWW-Authenticate' : status === 503 ? 'Retry-After' : undefined
  return name === undefined ? {} : { headers: { [name]: { schema: { type: 'string' } } } }
}

function exampleOf(code: ErrorCode): Json {
  const { status, title, about }: ErrorKind = ERRORS[code]
  const requestId = status >= 500 ? { requestId: '3f9a1c07-2k' } : {}
  return { type: problemType(code), title, status, code, detail: about, ...requestId }
}
