import { OperatorError } from '../errors.ts'
import { DAY_MS } from '../minute.ts'
import type { CopySource, CopyTarget, DayTotal, TakenTotal } from './copy-store.ts'

const SHOWN_MAX = 10

/** What a copy did, and what it found at its end. */
export interface Copied {
  /** Banners that were added, or had changed at the source. */
  readonly banners: number
  readonly keys: number
  /** Keys that the target has from clicks of its own: counted at both ends. */
  readonly ownKeys: number
  readonly clicks: number
  /** All clicks of the source. */
  readonly sourceClicks: number
  /** All clicks of the target in the days of the source. */
  readonly targetClicks: number
  /** Days of banners that were compared. */
  readonly days: number
  /** One sentence each. */
  readonly differences: readonly string[]
  readonly hasOpenLog: boolean
}

/**
 * Copies what the source has at this instant and the target has not. Keys go before counts: a click that
 * is sent to the target after a copy that was interrupted is then rather left to the next copy than
 * counted twice.
 */
export async function copy(source: CopySource, target: CopyTarget): Promise<Copied> {
  const from = source.installation
  if (from === target.installation) {
    throw new OperatorError(
      'Source and target are the same installation, or one was made of a backup of the other, so it has these counts. Name another target.',
    )
  }
  await refuseConflicts(source, target)
  let banners = 0
  for await (const page of source.banners()) banners += await target.takeBanners(from, page)
  const state = await source.state()
  await target.takeState(state)
  const keys = { added: 0, own: 0 }
  for await (const page of source.keys()) {
    const { added, own } = await target.takeKeys(page)
    keys.added += added
    keys.own += own
  }
  let clicks = 0
  for await (const page of source.days()) clicks += await target.takeDays(from, page)
  return {
    banners,
    keys: keys.added,
    ownKeys: keys.own,
    clicks,
    ...(await compare(source, target)),
    hasOpenLog: state.hasOpenLog,
  }
}

/** Before anything is written. */
async function refuseConflicts(source: CopySource, target: CopyTarget): Promise<void> {
  const ids: number[] = []
  for await (const page of source.banners()) {
    ids.push(...(await target.conflicts(source.installation, page)))
    if (ids.length > SHOWN_MAX) break
  }
  if (ids.length === 0) return
  const shown = ids.slice(0, SHOWN_MAX).join(', ') + (ids.length > SHOWN_MAX ? ' and more' : '')
  throw new OperatorError(
    `Nothing was copied: the target has other banners with these ids, with another name or URL: ${shown}. Change them at one end, or name another target.`,
  )
}

/** Every day of every banner, read back from the target. */
async function compare(source: CopySource, target: CopyTarget) {
  const found = { sourceClicks: 0, targetClicks: 0, days: 0, differences: new Array<string>() }
  for await (const page of source.totals()) {
    const taken = await target.totalsOf(source.installation, page)
    page.forEach((given, index) => {
      found.days += 1
      found.sourceClicks += given.total
      found.targetClicks += taken[index]?.total ?? 0
      const difference = differenceOf(given, taken[index])
      if (difference !== undefined) found.differences.push(difference)
    })
    found.differences.splice(SHOWN_MAX + 1)
  }
  return found
}

function differenceOf(given: DayTotal, taken: TakenTotal | undefined): string | undefined {
  const { bannerId, day, total, imported } = given
  const own = total - imported
  const place = `banner ${bannerId}, ${new Date(day * DAY_MS).toISOString().slice(0, 10)}`
  if (taken?.copied !== own) {
    return `${place}: the source has counted ${own}, of which ${taken?.copied ?? 0} are copied`
  }
  if (taken.imported < imported) {
    return `${place}: the source has imported ${imported}, the target ${taken.imported}`
  }
  const least = taken.copied + taken.imported
  return taken.total < least
    ? `${place}: the target answers ${taken.total}, not ${least}`
    : undefined
}
