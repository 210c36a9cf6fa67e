// The rules of what callers say of a banner. Apart from the noun: the threads of the embedded store need only
// that, and each would load the library of schemas, which takes 1.8 MiB of a thread.
import * as v from 'valibot'
import { BANNER_ID_MAX, BANNER_STATUSES } from './banner.ts'
import { integer, oneOf } from './fields.ts'

const NAME_CODE_POINTS_MAX = 200
const URL_CHARACTERS_MAX = 2_048
// C0, DEL and C1: none of them can be typed, and all of them can forge a log line or a CSV row.
const CONTROL_CHARACTER = /\p{Cc}/u
// A name of blanks, of marks that only tell others how to look, or of Braille's blank shows nothing to click on.
const VISIBLE_CHARACTER = /[^\p{Z}\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}\u2800]/u

const NAME_RULE = `must have 1 to ${NAME_CODE_POINTS_MAX} characters`
const URL_RULE = `must be null or an http or https URL of at most ${URL_CHARACTERS_MAX} characters`

const name = v.pipe(
  v.string('must be a string'),
  v.check((text) => text.isWellFormed(), 'must not hold lone surrogates'),
  v.check((text) => text !== '' && Array.from(text).length <= NAME_CODE_POINTS_MAX, NAME_RULE),
  v.check((text) => !CONTROL_CHARACTER.test(text), 'must not hold control characters'),
  v.check((text) => VISIBLE_CHARACTER.test(text), 'must not be blank'),
  v.description('What people call the banner; not only blanks, without control characters.'),
  v.metadata({ minLength: 1, maxLength: NAME_CODE_POINTS_MAX }),
  v.examples(['Autumn sale']),
)

const url = v.pipe(
  v.nullable(v.pipe(v.string(URL_RULE), v.metadata({ pattern: '^[Hh][Tt][Tt][Pp][Ss]?://' }))),
  v.check((text) => text === null || isHttpUrl(text), URL_RULE),
  v.description('Where the banner leads: an http or https URL, or null.'),
  v.metadata({ maxLength: URL_CHARACTERS_MAX }),
  v.examples(['https://shop.example/sale']),
)

const status = v.pipe(
  oneOf(BANNER_STATUSES),
  v.description('Only the clicks of active banners are counted.'),
)

/** A banner's fields as a caller gives them, each with the rule that it must keep. */
export const BANNER_FIELDS = {
  id: integer(1, BANNER_ID_MAX),
  name,
  url,
  status,
} as const

/** `POST /banners`; an entry of a banners file, which must have an id. */
export const NEW_BANNER = v.strictObject({
  id: v.optional(
    v.pipe(BANNER_FIELDS.id, v.description('Without one the service gives out the next.')),
  ),
  name,
  url: v.optional(url, null),
  status: v.optional(status, 'active'),
})

/** `PATCH /banners/:bannerId`: what is absent stays as it is. */
export const BANNER_CHANGE = v.strictObject({
  name: v.exactOptional(name),
  url: v.exactOptional(url),
  status: v.exactOptional(status),
})

/** Written as it is meant: a parser of URLs would trim blanks, and mend `http:a`, `http:///a` and `http://\\a`. */
function isHttpUrl(text: string): boolean {
  const isWritten =
    /^https?:\/\/[^\s\p{Cc}/\\?#][^\s\p{Cc}\\]*$/iu.test(text) && text.isWellFormed()
  return isWritten && Array.from(text).length <= URL_CHARACTERS_MAX && URL.canParse(text)
}
