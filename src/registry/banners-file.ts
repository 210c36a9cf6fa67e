import { existsSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as v from 'valibot'
import { BANNER_FIELDS, NEW_BANNER } from '../banner-fields.ts'
import type { BannerDraft } from '../banner.ts'
import { OperatorError } from '../errors.ts'
import { checkFields } from '../fields.ts'

const PACKAGED = fileURLToPath(new URL('../../banners.json', import.meta.url))
const PROBLEMS_SHOWN = 10
const ENTRY = v.strictObject({ ...NEW_BANNER.entries, id: BANNER_FIELDS.id })

/**
 * The banners that a new installation starts with: those of `file`, else of ./banners.json, else
 * the package's demo banners.
 */
export function readBannersFile(file: string | undefined): { path: string; drafts: BannerDraft[] } {
  const path = file ?? (existsSync('banners.json') ? 'banners.json' : PACKAGED)
  try {
    return { path, drafts: parseBanners(textOf(path)) }
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new OperatorError(`The banners file ${path} ${cause.message}.`, { exitCode: 2, cause })
  }
}

function textOf(path: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path))
  } catch (cause) {
    throw unreadable(cause)
  }
}

/** A JSON array of `{id, name, url?, status?}`. Throws a RangeError whose message says what is wrong with the file. */
export function parseBanners(text: string): BannerDraft[] {
  let entries: unknown
  try {
    entries = JSON.parse(text)
  } catch (cause) {
    throw unreadable(cause)
  }
  const problems: string[] = []
  const drafts = Array.isArray(entries) ? parseAll(entries, problems) : []
  if (!Array.isArray(entries)) problems.push('it must be an array of banners')
  if (problems.length === 0) return drafts
  const shown = problems.slice(0, PROBLEMS_SHOWN).join('; ')
  const more = problems.length > PROBLEMS_SHOWN ? `; ${problems.length - PROBLEMS_SHOWN} more` : ''
  throw new RangeError(`is wrong: ${shown}${more}`)
}

function unreadable(cause: unknown): RangeError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new RangeError(`cannot be read: ${reason}`, { cause })
}

function parseAll(entries: readonly unknown[], problems: string[]): BannerDraft[] {
  const ids = new Set<number>()
  const drafts: BannerDraft[] = []
  for (const [index, entry] of entries.entries()) {
    const draft = parseDraft(entry, (rule) => problems.push(`banner ${index + 1}: ${rule}`))
    if (draft === undefined) continue
    if (ids.has(draft.id)) problems.push(`banner ${index + 1}: id ${draft.id} stands twice`)
    ids.add(draft.id)
    drafts.push(draft)
  }
  return drafts
}

function parseDraft(entry: unknown, report: (rule: string) => void): BannerDraft | undefined {
  if (typeof entry !== 'object' || entry === null || Array.isArray(entry)) {
    report('must be an object')
    return undefined
  }
  const { fields, errors } = checkFields(ENTRY, { ...entry })
  for (const { field, message } of errors) report(`${field} ${message}`)
  return fields
}
