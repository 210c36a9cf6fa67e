import { existsSync, realpathSync } from 'node:fs'
import { resolve } from 'node:path'
import { storeAt, type Config } from '../config.ts'
import { isUnavailable, OperatorError, reasonOf } from '../errors.ts'
import { openCopySource, openCopyTarget } from '../open-store.ts'
import { copy as copyStore, type Copied } from '../store/copy.ts'
import { readCommandConfig } from './command-config.ts'
import { parseArguments, UsageError, type Command } from './command.ts'
import { countOf } from './count-of.ts'
import { print } from './print.ts'

type Place = Config['store']

export const copy: Command = {
  name: 'copy',
  summary: 'copy an installation to another database, as often as you like',
  help: `Usage: tallymark copy [--from <place>] [--to <place>]

Copies banners, counts and idempotency keys to another database and compares
both ends. Run again it adds only what is new, so copy beside the running
service, then stop it, and copy once more. A place is the folder of an embedded
database or a postgresql:// URL; one that is not given is the store of the
settings. Everybody on this machine can read a password in an argument: put the
URL into a file and name it by --from-file or --to-file, or set it as
DATABASE_URL or DATABASE_URL_FILE. An embedded target must not be in use.

Options:
  --from <place>, --from-file <file>
  --to <place>, --to-file <file>

Example:
  DATABASE_URL_FILE=/run/secrets/database tallymark copy --from ./data
`,
  async run(args) {
    const options = {
      from: { type: 'string' },
      'from-file': { type: 'string' },
      to: { type: 'string' },
      'to-file': { type: 'string' },
    } as const
    const { values } = parseArguments(args, options)
    const given = {
      from: placeOf('from', values.from, values['from-file']),
      to: placeOf('to', values.to, values['to-file']),
    }
    if (given.from === undefined && given.to === undefined) {
      throw new UsageError('copy needs --from or --to; the other one is the store of the settings')
    }
    const from = given.from ?? readCommandConfig().store
    const to = given.to ?? readCommandConfig().store
    if (isSame(from, to)) throw new UsageError('source and target are the same')
    const copied = await copyBetween(from, to)
    await print(textOf(copied))
    if (copied.differences.length === 0) return 0
    const list = copied.differences.map((difference) => `\n  - ${difference}`).join('')
    throw new OperatorError(
      `The two ends differ. Run the copy again; if that does not help, the source may have been restored from a backup since it was first copied.${list}`,
    )
  },
}

/** By the rules of the settings. */
function placeOf(end: 'from' | 'to', place?: string, file?: string): Place | undefined {
  if (place !== undefined && file !== undefined) {
    throw new UsageError(`--${end} and --${end}-file are given; leave out one`)
  }
  if (file !== undefined) return storeAt(`The URL of --${end}-file`, { file })
  if (place === undefined) return undefined
  if (place === '') throw new UsageError(`--${end} is empty`)
  if (!/^[a-z]+:\/\//i.test(place)) return { kind: 'sqlite', folder: place }
  const store = storeAt(`--${end}`, { url: place })
  if (new URL(place).password !== '') {
    process.stderr.write(
      `tallymark: everybody on this machine can read the password in --${end}; put the URL into a file, and name that by --${end}-file\n`,
    )
  }
  return store
}

function isSame(from: Place, to: Place): boolean {
  if (from.kind === 'sqlite' && to.kind === 'sqlite') {
    return pathOf(from.folder) === pathOf(to.folder)
  }
  // Those that are written in another way are found out by what they hold.
  return JSON.stringify(from) === JSON.stringify(to)
}

function pathOf(folder: string): string {
  return existsSync(folder) ? realpathSync(folder) : resolve(folder)
}

async function copyBetween(from: Place, to: Place): Promise<Copied> {
  await using closing = new AsyncDisposableStack()
  const source = closing.use(await atEnd('source', () => openCopySource(from)))
  const target = closing.use(await atEnd('target', () => openCopyTarget(to)))
  return await copyStore(source, target)
}

/** Says at which of the two ends something is wrong. */
async function atEnd<T>(end: 'source' | 'target', open: () => Promise<T>): Promise<T> {
  try {
    return await open()
  } catch (error) {
    if (isUnavailable(error)) {
      throw new OperatorError(`The ${end} is away: ${reasonOf(error)}.`, { cause: error })
    }
    if (!(error instanceof OperatorError)) throw error
    throw new OperatorError(`At the ${end}: ${error.message}`, { cause: error })
  }
}

function textOf(copied: Copied): string {
  const { banners, keys, ownKeys, clicks, days, sourceClicks, targetClicks, differences } = copied
  const lines = [
    `Copied ${countOf(clicks, 'click')}, ${countOf(banners, 'new or changed banner')}, and ${countOf(keys, 'key')}.`,
    `Compared ${countOf(days, 'sum')}, one for each banner and day: the source has ${countOf(sourceClicks, 'click')}, the target ${targetClicks}.`,
  ]
  if (targetClicks > sourceClicks && differences.length === 0) {
    const own = targetClicks - sourceClicks
    lines.push(`The target has ${own} more: what it has counted, imported or copied otherwise.`)
  }
  if (ownKeys > 0) {
    lines.push(
      `Both services were sent ${countOf(ownKeys, 'key')}: those clicks are counted twice, once by each.`,
    )
  }
  if (copied.hasOpenLog) {
    lines.push(
      'The source counts from Kafka: what waits in its topic is not copied. "tallymark doctor" says when it is drained.',
    )
  }
  return `${lines.join('\n')}\n`
}
