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

const NONE = { active: [], paused: [], archived: [] }
const BLANK = { name: 'Some', url: null, status: 'paused' } as const

/** `open` gives an empty store, in which the statements have run that it is given. */
export function testBannerStore(
  name: string,
  open: (statements?: string) => Promise<OpenedStore>,
): void {
  test(`${name}: banners are found, and listed by id, page by page`, async () => {
    await using store = await open()
    assert.equal(await store.addAll(DRAFTS, 'onlyFirst'), 3)
    const found = await store.find(7)
    assert.ok(found !== undefined && found.createdAt > 0)
    assert.deepEqual(found, { ...DRAFTS[0], createdAt: found.createdAt })
    assert.equal(await store.find(8), undefined)
    const [two, last] = [await store.find(2), await store.find(2_147_483_647)]
    for (const [asked, expected] of [
      [
        [2_147_483_647, 8, 7, 2],
        [two, found, last],
      ],
      [[2], [two]],
      [[8, 1], []],
    ] as const) {
      const some = await store.findAll(asked)
      assert.deepEqual(
        some.toSorted((a, b) => a.id - b.id),
        expected,
      )
    }
    assert.deepEqual(await store.findAll([]), [])
    const ids = async (limit: number, after: number, withArchived: boolean) =>
      (await store.list({ limit, after, withArchived })).map(({ id }) => id)
    assert.deepEqual(await ids(10, 0, false), [2, 7])
    assert.deepEqual(await ids(10, 0, true), [2, 7, 2_147_483_647])
    assert.deepEqual(await ids(1, 0, true), [2])
    assert.deepEqual(await ids(1, 2, true), [7])
    const { version, ids: changed } = await store.changesSince(0)
    assert.deepEqual(changed, { active: [7], paused: [2], archived: [2_147_483_647] })
    assert.ok(version > 0)
    assert.deepEqual(await store.changesSince(version), { version, ids: NONE })
  })

  test(`${name}: demo banners are for an empty registry; later only new ids are registered`, async () => {
    await using store = await open()
    assert.equal(await store.addAll(DRAFTS.slice(0, 1), 'onlyFirst'), 1)
    assert.equal(await store.addAll(DRAFTS, 'onlyFirst'), 0)
    const { version, ids } = await store.changesSince(0)
    assert.deepEqual(ids, { ...NONE, active: [7] })
    const again = DRAFTS.map((draft) => ({ ...draft, name: 'Again' }))
    assert.equal(await store.addAll(again, 'always'), 2)
    assert.equal((await store.find(7))?.name, 'Seven')
    assert.equal((await store.find(2))?.name, 'Again')
    assert.deepEqual((await store.changesSince(version)).ids, {
      ...NONE,
      paused: [2],
      archived: [2_147_483_647],
    })
  })

  test(`${name}: a banner is added once an id, and followed`, async () => {
    await using store = await open()
    const { version } = await store.changesSince(0)
    const banner = await store.add({ id: 7, name: 'Seven', url: null, status: 'paused' })
    assert.ok(banner.createdAt > 0)
    assert.deepEqual(banner, { ...BLANK, id: 7, name: 'Seven', createdAt: banner.createdAt })
    assert.deepEqual(await store.find(7), banner)
    assert.deepEqual((await store.changesSince(version)).ids, { ...NONE, paused: [7] })
    await assert.rejects(store.add({ ...BLANK, id: 7 }), { code: 'banner_exists' })
    await store.change(7, { status: 'archived' })
    await assert.rejects(store.add({ ...BLANK, id: 7 }), { code: 'banner_exists' })
    assert.equal((await store.find(7))?.name, 'Seven')
  })

  test(`${name}: the counter of ids skips used ones, and is not moved by given ones`, async () => {
    await using store = await open()
    const idOf = async (id?: number): Promise<number> => (await store.add({ ...BLANK, id })).id
    assert.equal(await idOf(), 1)
    assert.equal(await idOf(2), 2)
    assert.equal(await idOf(3), 3)
    assert.equal(await idOf(5), 5)
    assert.equal(await idOf(2_147_483_646), 2_147_483_646)
    assert.deepEqual([await idOf(), await idOf(), await idOf()], [4, 6, 7])
    await store.change(7, { status: 'archived' })
    assert.equal(await idOf(), 8)
    const atOnce = await Promise.all(Array.from({ length: 20 }, () => idOf()))
    assert.deepEqual(
      atOnce.toSorted((a, b) => a - b),
      Array.from({ length: 20 }, (_, index) => index + 9),
    )
  })

  test(`${name}: B5: when the counter has passed the last id none is left, but for given ones`, async () => {
    await using store = await open('update registry set next_id = 2147483645')
    const idOf = async (id?: number): Promise<number> => (await store.add({ ...BLANK, id })).id
    assert.equal(await idOf(2_147_483_646), 2_147_483_646)
    assert.deepEqual([await idOf(), await idOf()], [2_147_483_645, 2_147_483_647])
    for (let times = 0; times < 2; times += 1) {
      await assert.rejects(idOf(), {
        code: 'banner_ids_exhausted',
        errors: [{ field: 'id', message: 'must be given: none is left to give out' }],
      })
    }
    assert.equal(await idOf(9), 9)
  })

  test(`${name}: what a change does not name stays, also of changes at once`, async () => {
    await using store = await open()
    const url = 'https://example.org/?a=b'
    const { createdAt } = await store.add({ ...BLANK, id: 7, url, status: 'active' })
    const { version } = await store.changesSince(0)
    await Promise.all([
      ...Array.from({ length: 10 }, (_, index) => store.change(7, { name: `Name ${index}` })),
      store.change(7, { status: 'paused' }),
    ])
    const changed = await store.change(7, { name: 'Ünique 😀' })
    const banner = { id: 7, name: 'Ünique 😀', url, status: 'paused', createdAt }
    assert.deepEqual(changed, banner)
    assert.deepEqual(await store.find(7), banner)
    assert.equal((await store.change(7, { url: null }))?.url, null)
    assert.deepEqual((await store.changesSince(version)).ids, { ...NONE, paused: [7] })
    assert.equal(await store.change(8, { name: 'Nobody' }), undefined)
  })

  test(`${name}: reads that are too many at once are store_unavailable, the others are answered`, async () => {
    await using store = await open()
    await store.addAll(DRAFTS, 'onlyFirst')
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
