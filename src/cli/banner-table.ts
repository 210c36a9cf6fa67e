import type { Banner } from '../banner.ts'
import { printable } from './print.ts'

const GAP = '  '
const HEADING = ['id', 'status', 'name', 'url'] as const
/** Longer names push their URL to the right, but not those of all others. */
const NAME_COLUMNS_MAX = 40

type Row = readonly [id: string, status: string, name: string, url: string]

/** A table that is written page by page: columns get wider with a page, never narrower. */
export class BannerTable {
  #idColumns = 0
  #statusColumns = 0
  #nameColumns = 0
  #isBegun = false

  /** The rows of the next page; before the first ones, the heading. */
  textOf(banners: readonly Banner[]): string {
    const rows = banners.map(rowOf)
    if (!this.#isBegun) rows.unshift(HEADING)
    this.#isBegun = true
    for (const [id, status, name] of rows) {
      this.#idColumns = Math.max(this.#idColumns, id.length)
      this.#statusColumns = Math.max(this.#statusColumns, status.length)
      const columns = Math.min(columnsOf(name), NAME_COLUMNS_MAX)
      this.#nameColumns = Math.max(this.#nameColumns, columns)
    }
    return rows.map((row) => this.#lineOf(row)).join('')
  }

  #lineOf([id, status, name, url]: Row): string {
    const filled = name + ' '.repeat(Math.max(0, this.#nameColumns - columnsOf(name)))
    const cells = [id.padStart(this.#idColumns), status.padEnd(this.#statusColumns), filled, url]
    return `${cells.join(GAP).trimEnd()}\n`
  }
}

function rowOf({ id, status, name, url }: Banner): Row {
  return [String(id), status, printable(name), printable(url ?? '')]
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: 'grapheme' })
// What terminals show two columns wide, near enough: a table may be off by one, and no worse.
const WIDE =
  /\p{Script=Han}|\p{Script=Hangul}|\p{Script=Hiragana}|\p{Script=Katakana}|\p{Emoji_Presentation}|[\u{3000}-\u{303f}\u{ff01}-\u{ff60}]/u

/** How many columns of a terminal a text takes. */
function columnsOf(text: string): number {
  let columns = 0
  for (const { segment } of GRAPHEMES.segment(text)) columns += WIDE.test(segment) ? 2 : 1
  return columns
}
