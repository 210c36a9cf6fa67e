import type { DatabaseSync, SQLOutputValue } from 'node:sqlite'
import {
  BANNER_ID_MAX,
  type Banner,
  type BannerChange,
  type BannerDraft,
  type BannerStatus,
  type NewBanner,
} from '../../banner.ts'
import type { BannerChanges, BannerPage } from '../../registry/banner-store.ts'
import { statusOf } from '../rows.ts'
import { transaction } from './connection.ts'

const COLUMNS = 'id, name, url, status, created_at'

/** Within a snapshot. */
export function readBannerChanges(database: DatabaseSync, since: number): BannerChanges {
  const version = Number(database.prepare('select version from registry').get()?.['version'])
  const ids: Record<BannerStatus, number[]> = { active: [], paused: [], archived: [] }
  if (version === since) return { version, ids }
  const rows = database
    .prepare(
      'select status, json_group_array(id) as ids from banners where version > ? group by status',
    )
    .all(since)
  // Made by json_group_array of an integer column.
  for (const row of rows) ids[statusOf(row['status'])] = JSON.parse(String(row['ids'])) as number[]
  return { version, ids }
}

export function findBanner(database: DatabaseSync, id: number): Banner | undefined {
  const row = database.prepare(`select ${COLUMNS} from banners where id = ?`).get(id)
  return row && bannerOf(row)
}

export function findBanners(database: DatabaseSync, ids: readonly number[]): Banner[] {
  return database
    .prepare(`select ${COLUMNS} from banners where id in (select value from json_each(?))`)
    .all(JSON.stringify(ids))
    .map(bannerOf)
}

export function listBanners(database: DatabaseSync, page: BannerPage): Banner[] {
  return database
    .prepare(
      `select ${COLUMNS} from banners
       where id > ? and (? or status <> 'archived') order by id limit ?`,
    )
    .all(page.after, page.withArchived ? 1 : 0, page.limit)
    .map(bannerOf)
}

/** Undefined if its id was ever used, or it has none and none is left. */
export function addBanner(
  database: DatabaseSync,
  { banner, instant }: { banner: NewBanner; instant: number },
): Banner | undefined {
  return transaction(database, 'begin immediate', () => {
    const id = banner.id ?? takeId(database)
    if (id === undefined) return undefined
    const [added] = insert(database, [{ ...banner, id }], instant)
    return added
  })
}

/** Returns how many were registered. */
export function addBanners(
  database: DatabaseSync,
  call: { drafts: readonly BannerDraft[]; when: 'onlyFirst' | 'always'; instant: number },
): number {
  return transaction(database, 'begin immediate', () => {
    const isFirst = database.prepare('select 1 from registry where version = 0').get() !== undefined
    if (call.when === 'onlyFirst' && !isFirst) return 0
    return insert(database, call.drafts, call.instant).length
  })
}

export function changeBanner(
  database: DatabaseSync,
  { id, change }: { id: number; change: BannerChange },
): Banner | undefined {
  return transaction(database, 'begin immediate', () => {
    const banner = findBanner(database, id)
    if (banner === undefined) return undefined
    const { name, url, status, createdAt } = { ...banner, ...change }
    database
      .prepare('update banners set name = ?, url = ?, status = ?, version = ? where id = ?')
      .run(name, url, status, newVersion(database), id)
    return { id, name, url, status, createdAt }
  })
}

/** The next id of the service's own counter, which skips those that callers gave. */
function takeId(database: DatabaseSync): number | undefined {
  const row = database
    .prepare(
      `select next_id as id from registry
       where not exists (select 1 from banners where id = next_id)
       union all
       select * from (
         select id + 1 from banners as used
         where id >= (select next_id from registry)
           and not exists (select 1 from banners where id = used.id + 1)
         order by id limit 1)
       limit 1`,
    )
    .get()
  const id = Number(row?.['id'])
  if (id > BANNER_ID_MAX) return undefined
  database.prepare('update registry set next_id = ?').run(id + 1)
  return id
}

/** Returns those whose ids were free. */
function insert(
  database: DatabaseSync,
  drafts: readonly BannerDraft[],
  createdAt: number,
): Banner[] {
  const version = newVersion(database)
  const statement = database.prepare(
    `insert into banners (id, name, url, status, created_at, version) values (?, ?, ?, ?, ?, ?)
     on conflict do nothing`,
  )
  return drafts
    .filter(
      ({ id, name, url, status }) =>
        statement.run(id, name, url, status, createdAt, version).changes > 0,
    )
    .map(({ id, name, url, status }) => ({ id, name, url, status, createdAt }))
}

function newVersion(database: DatabaseSync): number {
  const row = database.prepare('update registry set version = version + 1 returning version').get()
  return Number(row?.['version'])
}

function bannerOf(row: Record<string, SQLOutputValue>): Banner {
  return {
    id: Number(row['id']),
    name: String(row['name']),
    url: row['url'] === null ? null : String(row['url']),
    status: statusOf(row['status']),
    createdAt: Number(row['created_at']),
  }
}
