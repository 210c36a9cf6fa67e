import { visitStore, type CommandStore } from '../open-store.ts'
import { NEW_BANNER } from '../banner-fields.ts'
import type { Banner, NewBanner } from '../banner.ts'
import { AppError } from '../errors.ts'
import { parseFields } from '../fields.ts'
import { bannerBody } from '../registry/banner-handlers.ts'
import { readBannersFile } from '../registry/banners-file.ts'
import { BannerTable } from './banner-table.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { print } from './print.ts'

export const banners: Command = {
  name: 'banners',
  summary: 'list the banners, add one, or import them from a file',
  help: `Usage: tallymark banners list [--archived] [--json]
       tallymark banners add <name> [--id <id>] [--url <url>] [--status <word>]
       tallymark banners import <file>

A running service sees what is added within two seconds.

  --archived  list archived banners, too
  --json      list as GET /banners does
  --id        an id that was never used; without it the next one of the service
  --url       where the banner leads, http or https
  --status    active, paused or archived (active)
  <file>      a JSON array of {"id", "name", "url", "status"}; url and status
              may be absent, and banners whose ids are known stay as they are

"add" prints the id. Where there is no database yet, "add" and "import" make it,
and the first start of the service then adds no demo banners.

Example:
  tallymark banners add "Autumn sale" --url https://shop.example/sale
  tallymark banners import banners.json
`,
  async run([action, ...args]) {
    switch (action) {
      case 'list':
        return list(args)
      case 'add':
        return add(args)
      case 'import':
        return importFile(args)
      case undefined:
        throw new UsageError('say what to do: list, add or import')
      default:
        throw new UsageError(`${JSON.stringify(action)} is neither list, add nor import`)
    }
  },
}

const PAGE_BANNERS = 1_000
/** Bounds how long one transaction keeps the service from committing. */
const IMPORTED_AT_ONCE = 5_000

async function list(args: readonly string[]): Promise<number> {
  const { values } = parseArguments(args, {
    archived: { type: 'boolean' },
    json: { type: 'boolean' },
  })
  await using store = await visitStore(readCommandConfig().store, { writes: false })
  const pages = pagesOf(store, values.archived === true)
  const text = values.json ? jsonOf(pages) : tableOf(pages)
  for await (const part of text) if (!(await print(part))) break
  return 0
}

async function* pagesOf(
  store: Pick<CommandStore, 'list'>,
  withArchived: boolean,
): AsyncGenerator<readonly Banner[]> {
  for (let after = 0; ;) {
    const page = await store.list({ limit: PAGE_BANNERS, after, withArchived })
    yield page
    const last = page.at(-1)
    if (last === undefined || page.length < PAGE_BANNERS) return
    after = last.id
  }
}

async function* jsonOf(pages: AsyncIterable<readonly Banner[]>): AsyncGenerator<string> {
  yield '{"banners":['
  let separator = ''
  for await (const page of pages) {
    for (const banner of page) {
      yield separator + JSON.stringify(bannerBody(banner))
      separator = ','
    }
  }
  yield ']}\n'
}

async function* tableOf(pages: AsyncIterable<readonly Banner[]>): AsyncGenerator<string> {
  const table = new BannerTable()
  for await (const page of pages) yield table.textOf(page)
}

async function add(args: readonly string[]): Promise<number> {
  const { values, operands } = parseArguments(
    args,
    { id: { type: 'string' }, url: { type: 'string' }, status: { type: 'string' } },
    ['<name>'],
  )
  const banner = bannerOf({ ...values, name: operands[0] })
  await using store = await visitStore(readCommandConfig().store, { writes: true })
  const { id } = await store.add(banner)
  await print(`${id}\n`)
  return 0
}

/** The rules are those of `POST /banners`. */
function bannerOf(query: Readonly<Record<string, unknown>>): NewBanner {
  try {
    return parseFields(NEW_BANNER, { query })
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const rules = error.errors?.map(
      ({ field, message }) =>
        // A command line has no null.
        `${field === 'name' ? '<name>' : `--${field}`} ${message.replace('must be null or', 'must be')}`,
    )
    throw new UsageError(rules?.join('; ') ?? error.message, { cause: error })
  }
}

async function importFile(args: readonly string[]): Promise<number> {
  const [file] = parseArguments(args, {}, ['<file>']).operands
  const { drafts } = readBannersFile(file)
  await using store = await visitStore(readCommandConfig().store, { writes: true })
  let added = 0
  for (let first = 0; first < drafts.length; first += IMPORTED_AT_ONCE) {
    added += await store.addAll(drafts.slice(first, first + IMPORTED_AT_ONCE), 'always')
  }
  await print(`Banners added: ${added}, known already: ${drafts.length - added}.\n`)
  return 0
}
