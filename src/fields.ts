import * as v from 'valibot'
import { AppError, type FieldError } from './errors.ts'

/** A query's or a body's fields before anything is known of them. */
export type Fields = Readonly<Record<string, unknown>>

/** What fields a request may have, and their rules: the messages are for callers. */
export type FieldsSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>

export interface GivenFields {
  /** Strings, or arrays of strings where a field is given twice. */
  readonly query?: Fields
  /** Of a JSON object. */
  readonly body?: Fields
}

/** An integer of a range, and its rule in words. */
export function integer(min: number, max: number) {
  const rule = `must be an integer from ${min} to ${max}`
  return v.pipe(v.number(rule), v.integer(rule), v.minValue(min, rule), v.maxValue(max, rule))
}

/** One of some words, and its rule in words. */
export function oneOf<const T extends readonly string[]>(words: T) {
  return v.picklist(words, `must be one of ${words.join(', ')}`)
}

// An integer as JSON writes it, and no longer than JSON keeps it exact.
const DIGITS = /^(?:0|[1-9]\d{0,14})$/

/** The fields of query and body together. Throws `invalid_parameter`, which names each wrong one. */
export function parseFields<S extends FieldsSchema>(
  schema: S,
  { query = {}, body = {} }: GivenFields,
): v.InferOutput<S> {
  const repeated = Object.keys(query).flatMap((field) => repetition(field, query, body))
  const { fields, errors } = checkFields(schema, { ...fromText(schema, query), ...body })
  const isRepeated = ({ field }: FieldError) => repeated.some((each) => each.field === field)
  const all = [...repeated, ...errors.filter((error) => !isRepeated(error))]
  if (all.length > 0 || fields === undefined) throw AppError.ofFields(all)
  return fields
}

/** What is wrong with the fields of an object, or what they say. */
export function checkFields<S extends FieldsSchema>(
  schema: S,
  given: Fields,
): { readonly fields: v.InferOutput<S> | undefined; readonly errors: readonly FieldError[] } {
  const known = Object.keys(schema.entries)
  const unknown = Object.keys(given).filter((field) => !known.includes(field))
  const { success, output, issues = [] } = v.safeParse(schema, given, { abortPipeEarly: true })
  if (success) return { fields: output, errors: [] }
  const names = known.length === 0 ? 'no parameters' : known.join(', ')
  return {
    fields: undefined,
    errors: [
      // The schema names the first of them only.
      ...issues.filter(({ expected }) => expected !== 'never').map(fieldError),
      ...unknown.map((field) => ({ field, message: `is unknown here; known are ${names}` })),
    ],
  }
}

function repetition(field: string, query: Fields, body: Fields): FieldError[] {
  if (Object.hasOwn(body, field)) return [{ field, message: 'must not stand in query and body' }]
  return Array.isArray(query[field]) ? [{ field, message: 'must be given once' }] : []
}

/** A query is text alone: digits are a number where the schema takes one. */
function fromText({ entries }: FieldsSchema, query: Fields): Fields {
  const fields = Object.entries(query).map(([field, text]): [string, unknown] => {
    const entry = Object.hasOwn(entries, field) ? entries[field] : undefined
    const isNumber =
      entry !== undefined &&
      typeof text === 'string' &&
      DIGITS.test(text) &&
      v.safeParse(entry, Number(text)).success
    return [field, isNumber ? Number(text) : text]
  })
  return Object.fromEntries(fields)
}

function fieldError(issue: v.BaseIssue<unknown>): FieldError {
  // The first step of the path is the field: fields hold no objects.
  const field = String(issue.path?.[0]?.key)
  return { field, message: issue.type === 'strict_object' ? 'must be given' : issue.message }
}
