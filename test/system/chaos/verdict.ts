// At the end, when nothing is sent any more and everything is counted: whether it all adds up.
import { mergedSums, runSql } from '../../support/database.ts'
import { bannerOfKey, KEYED_BANNERS, UNKEYED_BANNERS, type Callers } from './callers.ts'
import type { Cluster } from './cluster.ts'
import type { LogContent } from './log.ts'
import type { TracedMark, TracedSpan } from './trace.ts'
import { totals, type Witness } from './witness.ts'

const MINUTE_MS = 60_000
const SHOWN_MAX = 5

export interface Sums {
  readonly keys: number
  readonly acknowledged: number
  readonly inDoubt: number
  readonly counted: number
  readonly records: number
}

export interface Evidence {
  readonly cluster: Cluster
  readonly callers: Callers
  readonly witness: Witness
  readonly log: LogContent
}

/** What is wrong, and the sums. */
export async function judge(
  evidence: Evidence,
): Promise<{ readonly problems: readonly string[]; readonly sums: Sums }> {
  const { cluster, callers, log } = evidence
  const counted = await countedByBanner(cluster)
  const inDoubt = callers.sum(UNKEYED_BANNERS, (record) => record.inDoubt)
  const problems = [
    ...log.problems,
    ...(await sameEverywhere(cluster, counted)),
    ...wrongKeys(callers, counted, log),
    ...wrongUnkeyed(callers, counted, log),
    ...wrongSpans(await cluster.trace.spans(), log.ends),
    ...wrongMarks(await cluster.trace.marks(), callers.keys, log),
    ...(await grownMinutes(evidence)),
  ]
  const [dead] = await runSql(cluster.url, 'select count(*)::int as count from dead_letters')
  if (dead?.['count'] !== 0) problems.push(`there are ${String(dead?.['count'])} dead letters`)
  const sums = {
    keys: callers.keys.length,
    acknowledged: callers.sum(UNKEYED_BANNERS, ({ acknowledged }) => acknowledged.total),
    inDoubt,
    counted: [...counted.values()].reduce((sum, count) => sum + count, 0),
    records: log.records,
  }
  return { problems, sums }
}

async function countedByBanner({ url }: Cluster): Promise<Map<number, number>> {
  const rows = await runSql(
    url,
    'select banner_id, sum(count)::int as count from counts_by_minute group by banner_id',
  )
  return new Map(rows.map((row) => [Number(row['banner_id']), Number(row['count'])]))
}

/** Every api, and every table, has the same counts. */
async function sameEverywhere(cluster: Cluster, counted: ReadonlyMap<number, number>) {
  const problems: string[] = []
  const sum = [...counted.values()].reduce((all, count) => all + count, 0)
  for (const { name, origin } of cluster.of('api')) {
    const answer = await totals(origin, { from: 0, to: Date.UTC(2100) })
    const differs = answer?.banners.some(({ bannerID, total }) => counted.get(bannerID) !== total)
    if (answer?.total !== sum || differs !== false) {
      problems.push(`${name} says ${answer?.total}, the database ${sum}`)
    }
  }
  return problems
}

/** Once nothing waits to be merged. */
export async function unequalTables(url: string): Promise<string[]> {
  const sums = await mergedSums(url)
  return new Set(sums).size === 1 ? [] : [`minutes, quarters and days differ: ${sums.join(', ')}`]
}

/** Each key that was sent was acknowledged, stands in the log and is counted, once. */
function wrongKeys(callers: Callers, counted: ReadonlyMap<number, number>, log: LogContent) {
  const problems: string[] = []
  const sent = new Map<number, number>()
  const missing: number[] = []
  for (let number = 0; number < callers.keys.length; number += 1) {
    const banner = bannerOfKey(number)
    sent.set(banner, (sent.get(banner) ?? 0) + 1)
    if (log.keys[number] === undefined) missing.push(number)
  }
  if (missing.length > 0) {
    const some = missing.slice(0, SHOWN_MAX).join(', ')
    problems.push(`${missing.length} keys are acknowledged and not in the log: ${some}`)
  }
  for (const id of KEYED_BANNERS) {
    if ((counted.get(id) ?? 0) !== (sent.get(id) ?? 0)) {
      problems.push(`banner ${id}: ${counted.get(id)} counted of ${sent.get(id)} keys`)
    }
  }
  return problems
}

/** Acknowledged <= counted <= acknowledged + in doubt, and what is counted is what the log has. */
function wrongUnkeyed(callers: Callers, counted: ReadonlyMap<number, number>, log: LogContent) {
  return UNKEYED_BANNERS.flatMap((id) => {
    const { acknowledged, inDoubt } = callers.record(id)
    const count = counted.get(id) ?? 0
    const problems: string[] = []
    if (count < acknowledged.total) {
      problems.push(`banner ${id}: ${count} counted of ${acknowledged.total} acknowledged`)
    }
    if (count > acknowledged.total + inDoubt) {
      const most = acknowledged.total + inDoubt
      problems.push(`banner ${id}: ${count} counted, and at most ${most} were sent`)
    }
    if (count !== (log.unkeyed.get(id) ?? 0)) {
      problems.push(`banner ${id}: ${count} counted of ${log.unkeyed.get(id)} in the log`)
    }
    return problems
  })
}

/** Of each partition everything was counted once: from 0 to the end, without gap or overlap. */
function wrongSpans(spans: readonly TracedSpan[], ends: readonly bigint[]): string[] {
  const problems: string[] = []
  const next = ends.map(() => 0n)
  for (const { partition, from, to } of spans) {
    const expected = next[partition]
    if (from !== expected || to <= from) {
      problems.push(`partition ${partition}: ${from} to ${to} was counted after ${expected}`)
    }
    next[partition] = to
  }
  for (const [partition, end] of ends.entries()) {
    if (next[partition] !== end) {
      problems.push(`partition ${partition} is counted to ${next[partition]} of ${end}`)
    }
  }
  return problems.slice(0, SHOWN_MAX)
}

/**
 * No mark claims a click that was not counted yet. By the keys that stand in the log once: of the others
 * nobody knows which copy was acknowledged.
 */
function wrongMarks(
  marks: readonly TracedMark[],
  keys: readonly number[],
  log: Pick<LogContent, 'keys'>,
): string[] {
  const byPartition = Map.groupBy(marks, ({ partition }) => partition)
  const problems: string[] = []
  for (const [number, acknowledgedAt] of keys.entries()) {
    const place = log.keys[number]
    if (place?.isSingle !== true) continue
    const of = byPartition.get(place.partition) ?? []
    // The first that claims the click: what comes after it is counted further.
    const mark = firstAfter(of, acknowledgedAt)
    if (mark !== undefined && place.offset >= mark.next) {
      problems.push(
        `partition ${place.partition} was called complete until ${mark.until} at ${mark.next}, and key-${number} at ${place.offset} was acknowledged at ${acknowledgedAt}`,
      )
    }
  }
  return problems.slice(0, SHOWN_MAX)
}

function firstAfter(marks: readonly TracedMark[], instant: number): TracedMark | undefined {
  let low = 0
  let high = marks.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((marks[middle]?.until ?? Infinity) > instant) high = middle
    else low = middle + 1
  }
  return marks[low]
}

/** A minute that was called whole gains no acknowledged click; those in doubt may come later. */
async function grownMinutes({ cluster, callers, witness }: Evidence): Promise<string[]> {
  const [api] = cluster.of('api')
  const inDoubt = [...callers.refused.values()].reduce((sum, count) => sum + count, 0)
  let gained = 0
  for (const { from, total } of witness.wholeMinutes) {
    const answer = await totals(api?.origin ?? '', { from, to: from + MINUTE_MS })
    gained += Math.abs((answer?.total ?? Infinity) - total)
  }
  return gained <= inDoubt ? [] : [`minutes that were whole gained ${gained} clicks`]
}
