import { type Banner, type BannerChange, type BannerDraft, type NewBanner } from '../../banner.ts'
import type { BannerChanges, BannerPage } from '../../registry/banner-store.ts'
import { statusOf } from '../rows.ts'
import type { Row, Statement } from './connections.ts'

const COLUMNS = 'id, name, url, status, created_at::float8 as created_at'

export function readBannerChanges(since: number): Statement {
  return {
    name: 'banner_changes',
    text: `
      select registry.version::float8 as version, (
        select json_object_agg(status, ids)
        from (
          select status, json_agg(id) as ids from banners where version > $1 group by status
        ) as changed
      ) as ids
      from registry`,
    values: [since],
  }
}

export function changesOf(row: Row | undefined): BannerChanges {
  // Made by json_object_agg above, of the statuses that there are.
  const ids = (row?.['ids'] ?? {}) as Partial<BannerChanges['ids']>
  return {
    version: Number(row?.['version']),
    ids: { active: [], paused: [], archived: [], ...ids },
  }
}

export function findBanner(id: number): Statement {
  return {
    name: 'find_banner',
    text: `select ${COLUMNS} from banners where id = $1`,
    values: [id],
  }
}

export function findBanners(ids: readonly number[]): Statement {
  return {
    name: 'find_banners',
    text: `select ${COLUMNS} from banners where id = any($1::int[])`,
    values: [ids],
  }
}

export function listBanners({ after, withArchived, limit }: BannerPage): Statement {
  return {
    name: 'list_banners',
    text: `
      select ${COLUMNS} from banners
      where id > $1 and ($2 or status <> 'archived') order by id limit $3`,
    values: [after, withArchived, limit],
  }
}

/** Returns the banner, or nothing: sql/postgres/0003-add-banner.sql. */
export function addBanner(banner: NewBanner, instant: number): Statement {
  return {
    text: `select ${COLUMNS} from add_banner($1, $2)`,
    values: [JSON.stringify(banner), instant],
  }
}

/** `added` says how many were registered. */
export function addBanners(
  drafts: readonly BannerDraft[],
  when: 'onlyFirst' | 'always',
  instant: number,
): Statement {
  return {
    text: `
      with changed as (
        update registry set version = version + 1 where $3 or version = 0 returning version
      ), added as (
        insert into banners (id, name, url, status, created_at, version)
        select id, name, url, status, $2, version
        from changed, json_to_recordset($1) as draft (id integer, name text, url text, status text)
        order by id
        on conflict do nothing
        returning id
      )
      select count(*)::int as added from added`,
    values: [JSON.stringify(drafts), instant, when === 'always'],
  }
}

/** Locks the registry first, as everybody does who changes banners. */
export function changeBanner(id: number, { name, url, status }: BannerChange): Statement {
  return {
    text: `
      with changed as (
        update registry set version = version + 1
        where exists (select from banners where id = $1)
        returning version
      )
      update banners set name = coalesce($2, name), url = case when $3 then $4 else url end,
        status = coalesce($5, status), version = changed.version
      from changed where id = $1
      returning ${COLUMNS}`,
    values: [id, name, url !== undefined, url, status],
  }
}

export function bannerOf(row: Row): Banner {
  const { id, name, url, status, created_at } = row
  return {
    id: Number(id),
    name: String(name),
    url: typeof url === 'string' ? url : null,
    status: statusOf(status),
    createdAt: Number(created_at),
  }
}
