import type { DatabaseSync } from 'node:sqlite'
import { MINUTE_MS } from '../../minute.ts'
import type { Delta } from '../count-store.ts'
import type { ImportedCount, ImportOutcome } from '../import-store.ts'
import { transaction } from './connection.ts'
import type { Merger } from './merger.ts'
import { packDeltas } from './packed.ts'

/** See ImportStore. Adds the counts like a batch, to be merged like any. */
export function importCounts(
  database: DatabaseSync,
  merger: Merger,
  { counts, instant }: { counts: readonly ImportedCount[]; instant: number },
): ImportOutcome {
  merger.makeRoom()
  const { fresh, registered } = transaction(database, 'begin immediate', () => {
    const gained = gainsOf(database, counts)
    if (gained.length > 0) {
      database.prepare('insert into unmerged (deltas) values (?)').run(packDeltas(gained))
    }
    return { fresh: gained, registered: registerBanners(database, counts, instant) }
  })
  merger.added(fresh.length)
  return {
    added: fresh.reduce((sum, { count }) => sum + count, 0),
    unchanged: counts.length - fresh.length,
    registered,
  }
}

/** What the counts have gained since they were last imported; remembers it. */
function gainsOf(database: DatabaseSync, counts: readonly ImportedCount[]): Delta[] {
  const imported = database.prepare(
    'select count from imported_counts where banner_id = ? and minute = ?',
  )
  const remember = database.prepare(
    `insert into imported_counts (banner_id, minute, count) values (?, ?, ?)
     on conflict do update set count = excluded.count`,
  )
  return counts.flatMap(({ bannerId, minute, count }) => {
    const gain = count - Number(imported.get(bannerId, minute / MINUTE_MS)?.['count'] ?? 0)
    if (gain <= 0) return []
    remember.run(bannerId, minute / MINUTE_MS, count)
    return [{ bannerId, tally: 'click', minute, count: gain }]
  })
}

/** Registers the banners that are not known; returns their ids. */
function registerBanners(
  database: DatabaseSync,
  counts: readonly ImportedCount[],
  instant: number,
): number[] {
  const known = database.prepare('select 1 from banners where id = ?')
  const missing = [...new Set(counts.map(({ bannerId }) => bannerId))]
    .filter((id) => known.get(id) === undefined)
    .toSorted((a, b) => a - b)
  if (missing.length === 0) return []
  database.exec('update registry set version = version + 1')
  const add = database.prepare(
    `insert into banners (id, name, status, created_at, version)
     select ?, ?, 'active', ?, version from registry`,
  )
  for (const id of missing) add.run(id, `Banner ${id}`, instant)
  return missing
}
