// The contract of BannerStore, as tests: every adapter runs them (test/store/*.test.ts).
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { BannerDraft } from '../../src/banner.ts'
import { isUnavailable } from '../../src/errors.ts'
import type { BannerStore } from '../../src/registry/banner-store.ts'

type OpenedStore = BannerStore & AsyncDisposable

const DRAFTS: readonly BannerDraft[] = [
  { id: 7, name: 'Seven', url: 'https://example.org/', status: 'active' },
  { id: 2, name: 'Two', url: null, status: 'paused' },
  { id: 2_147_483_647, name: 'Last', url: null, status: 'archived' },
]

/** `open` gives an empty store. */
export function testBannerStore(name: string, open: () => Promise<OpenedStore>): void {
  test(`${name}: banners are found, and listed by id, page by page`, async () => {
    await using store = await open()
    assert.equal(await store.seed(DRAFTS), 3)
    const found = await store.find(7)
    assert.ok(found !== undefined && found.createdAt > 0)
    assert.deepEqual(found, { ...DRAFTS[0], createdAt: found.createdAt })
    assert.equal(await store.find(8), undefined)
    const ids = async (limit: number, after: number, withArchived: boolean) =>
      (await store.list({ limit, after, withArchived })).map(({ id }) => id)
    assert.deepEqual(await ids(10, 0, false), [2, 7])
    assert.deepEqual(await ids(10, 0, true), [2, 7, 2_147_483_647])
    assert.deepEqual(await ids(1, 0, true), [2])
    assert.deepEqual(await ids(1, 2, true), [7])
    const { version, banners } = await store.changesSince(0)
    assert.deepEqual(banners, [
      { id: 2, status: 'paused' },
      { id: 7, status: 'active' },
      { id: 2_147_483_647, status: 'archived' },
    ])
    assert.ok(version > 0)
    assert.deepEqual(await store.changesSince(version), { version, banners: [] })
  })

  test(`${name}: only an empty registry is seeded`, async () => {
    await using store = await open()
    assert.equal(await store.seed(DRAFTS.slice(0, 1)), 1)
    assert.equal(await store.seed(DRAFTS), 0)
    assert.equal((await store.changesSince(0)).banners.length, 1)
  })

  test(`${name}: reads that are too many at once are store_unavailable, the others are answered`, async () => {
    await using store = await open()
    await store.seed(DRAFTS)
    const reads = await Promise.allSettled(Array.from({ length: 1_000 }, () => store.find(7)))
    let answered = 0
    for (const read of reads) {
      if (read.status === 'fulfilled') {
        assert.equal(read.value?.id, 7)
        answered += 1
      } else {
        assert.ok(isUnavailable(read.reason))
        assert.match(read.reason.message, /Too many requests wait/)
      }
    }
    assert.ok(answered >= 200 && answered <= 250, `${answered} were answered`)
    assert.equal((await store.find(7))?.id, 7)
  })
}
