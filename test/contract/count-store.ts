// The contract of CountStore, as tests: every adapter runs them (test/store/*.test.ts).
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import * as fc from 'fast-check'
import { aggregate } from '../../src/aggregator/aggregate.ts'
import type { Click } from '../../src/click.ts'
import type { Clock } from '../../src/clock.ts'
import type { Span } from '../../src/log/click-log.ts'
import { DAY_MS, HOUR_MS, MINUTE_MS, QUARTER_MS } from '../../src/minute.ts'
import { slicesOf } from '../../src/query/series.ts'
import type { BannerStore } from '../../src/registry/banner-store.ts'
import type { CountStore, Resolution, Series, Slice } from '../../src/store/count-store.ts'
import { runs } from '../support/properties.ts'

export type OpenedStore = CountStore & BannerStore & AsyncDisposable & { readonly clock: Clock }

const ALL_TIME = { from: 0, to: 100_000 * DAY_MS }
const NOON = Date.UTC(2024, 11, 10, 12)
/** Longer than either store leaves a batch as it came. */
const MERGED_AFTER_MS = 1_000
const UNITS = { minute: MINUTE_MS, quarter: QUARTER_MS, day: DAY_MS } as const

/** Hands out the spans of one writer, one after the other. */
function writer(source = 'writer:a'): () => Span {
  let next = 0n
  return () => ({ source, from: next, to: (next += 1n), batchId: randomUUID() })
}

function clickOf(bannerId: number, at: number, key?: string): Click {
  return { bannerId, tally: 'click', at, ...(key !== undefined && { key }) }
}

async function countsOf(store: CountStore, bannerId: number, resolution: Resolution) {
  const [counts] = await countsOfAll(store, [bannerId], [{ resolution, ...ALL_TIME }])
  return counts
}

/** Each banner's rows as [instant, count]. */
async function countsOfAll(
  store: CountStore,
  bannerIds: readonly number[],
  slices: readonly Slice[],
) {
  const { rows } = await store.series(bannerIds, 'click', slices)
  return rows.map(({ at, count }) => Array.from(at, (instant, index) => [instant, count[index]]))
}

function sumsOf(rows: readonly Series[]): number[] {
  return rows.map(({ count }) => count.reduce((sum, each) => sum + each, 0))
}

async function seeded(open: () => Promise<OpenedStore>): Promise<OpenedStore> {
  const store = await open()
  await store.addAll(
    [1, 2, 3].map((id) => ({ id, name: `Banner ${id}`, url: null, status: 'active' })),
    'onlyFirst',
  )
  await store.open('writer:a', 0n)
  return store
}

/** `open` gives an empty store. */
export function testCountStore(name: string, open: () => Promise<OpenedStore>): void {
  test(`${name}: I6: counts rise in minutes, quarters and days at once`, async () => {
    await using store = await seeded(open)
    const clicks = [clickOf(1, NOON), clickOf(1, NOON + 59_999), clickOf(1, NOON + MINUTE_MS)]
    assert.equal(await store.commit(aggregate({ span: writer()(), clicks })), 'counted')
    assert.deepEqual(await countsOf(store, 1, 'minute'), [
      [NOON, 2],
      [NOON + MINUTE_MS, 1],
    ])
    assert.deepEqual(await countsOf(store, 1, 'quarter'), [[NOON, 3]])
    assert.deepEqual(await countsOf(store, 1, 'day'), [[Date.UTC(2024, 11, 10), 3]])
    assert.deepEqual(await countsOf(store, 2, 'minute'), [])
  })

  test(`${name}: I3: a batch that is committed again counts once and says counted`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const first = aggregate({ span: nextSpan(), clicks: [clickOf(1, NOON), clickOf(1, NOON, 'a')] })
    for (let attempt = 0; attempt < 3; attempt += 1) {
      assert.equal(await store.commit(first), 'counted')
    }
    assert.deepEqual(await countsOf(store, 1, 'minute'), [[NOON, 2]])
  })

  test(`${name}: I3: another batch at a position that is taken is superseded and not counted`, async () => {
    await using store = await seeded(open)
    const span = writer()()
    const clicks = [clickOf(1, NOON), clickOf(2, NOON, 'key')]
    await store.commit(aggregate({ span, clicks: [clickOf(1, NOON)] }))
    const foreign = aggregate({ span: { ...span, batchId: randomUUID() }, clicks })
    assert.equal(await store.commit(foreign), 'superseded')
    assert.deepEqual(await countsOf(store, 1, 'minute'), [[NOON, 1]])
    assert.deepEqual(await countsOf(store, 2, 'minute'), [])
  })

  test(`${name}: I3: a batch that begins after the position is not counted, and moves nothing`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const [first, second] = [nextSpan(), nextSpan()]
    const clicks = [clickOf(1, NOON)]
    assert.equal(await store.commit(aggregate({ span: second, clicks })), 'superseded')
    assert.equal(await store.commit(aggregate({ span: first, clicks })), 'counted')
    assert.equal(await store.commit(aggregate({ span: second, clicks })), 'counted')
    assert.deepEqual(await countsOf(store, 1, 'minute'), [[NOON, 2]])
  })

  test(`${name}: I3: a source without a position is never counted`, async () => {
    await using store = await seeded(open)
    const span = writer('writer:unknown')()
    assert.equal(await store.commit(aggregate({ span, clicks: [clickOf(1, NOON)] })), 'superseded')
    assert.deepEqual(await countsOf(store, 1, 'minute'), [])
  })

  test(`${name}: I7: a key counts once for each banner, in one batch or in several`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const twice = [clickOf(1, NOON, 'a'), clickOf(1, NOON, 'a'), clickOf(2, NOON, 'a')]
    await store.commit(aggregate({ span: nextSpan(), clicks: twice }))
    await store.commit(aggregate({ span: nextSpan(), clicks: [clickOf(1, NOON + DAY_MS, 'a')] }))
    assert.deepEqual(await countsOf(store, 1, 'minute'), [[NOON, 1]])
    assert.deepEqual(await countsOf(store, 2, 'minute'), [[NOON, 1]])
  })

  test(`${name}: I7: keys are forgotten in steps, only those older than the retention`, async () => {
    await using store = await seeded(open)
    const clicks = ['a', 'b', 'c'].map((key) => clickOf(1, NOON, key))
    const nextSpan = writer()
    await store.commit(aggregate({ span: nextSpan(), clicks }))
    await pause(20)
    assert.equal(await store.purgeKeys(60_000, 10), 0)
    assert.equal(await store.purgeKeys(10, 2), 2)
    assert.equal(await store.purgeKeys(10, 2), 1)
    assert.equal(await store.purgeKeys(10, 2), 0)
    await store.commit(aggregate({ span: nextSpan(), clicks: [clickOf(1, NOON, 'a')] }))
    assert.deepEqual(await countsOf(store, 1, 'minute'), [[NOON, 4]])
  })

  test(`${name}: totals are of banners with clicks, most first, ties by id`, async () => {
    await using store = await seeded(open)
    const clicks = [clickOf(3, NOON), clickOf(2, NOON), clickOf(2, NOON), clickOf(1, NOON)]
    await store.commit(aggregate({ span: writer()(), clicks }))
    const { rows } = await store.totals('click', slicesOf(ALL_TIME))
    assert.deepEqual(rows, [
      { bannerId: 2, name: 'Banner 2', total: 2 },
      { bannerId: 1, name: 'Banner 1', total: 1 },
      { bannerId: 3, name: 'Banner 3', total: 1 },
    ])
    const { rows: none } = await store.totals('click', slicesOf({ from: 0, to: NOON }))
    assert.deepEqual(none, [])
  })

  test(`${name}: recent counts are those of all banners in a range, by minute and banner, merged or not`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const year2100 = Date.UTC(2100, 0, 1) - MINUTE_MS
    const clicks = [
      clickOf(3, NOON),
      clickOf(2, NOON),
      clickOf(1, NOON + MINUTE_MS),
      clickOf(3, NOON + MINUTE_MS),
      clickOf(1, NOON + MINUTE_MS),
      // Of the same hour as the range, and of other hours.
      ...[NOON - 1, NOON - HOUR_MS, NOON + 2 * MINUTE_MS, NOON + HOUR_MS, year2100].map((at) =>
        clickOf(1, at),
      ),
    ]
    const countsIn = async (from: number, to: number) =>
      (await store.recent('click', { from, to })).map(({ minute, bannerId, count }) => ({
        minute,
        counts: Array.from(bannerId, (id, index) => [id, count[index]]),
      }))
    await store.commit(aggregate({ span: nextSpan(), clicks }))
    const expected = [
      [NOON, [2, 1], [3, 1]],
      [NOON + MINUTE_MS, [1, 2], [3, 1]],
    ].map(([minute, ...counts]) => ({ minute, counts }))
    assert.deepEqual(await countsIn(NOON, NOON + 2 * MINUTE_MS), expected)
    await pause(MERGED_AFTER_MS)
    assert.deepEqual(await countsIn(NOON, NOON + 2 * MINUTE_MS), expected)
    const more = [clickOf(3, NOON), clickOf(1, NOON), clickOf(2, NOON + HOUR_MS)]
    await store.commit(aggregate({ span: nextSpan(), clicks: more }))
    const [{ counts } = assert.fail('nothing')] = await countsIn(NOON, NOON + MINUTE_MS)
    assert.deepEqual(counts.flat(), [1, 1, 2, 1, 3, 2])
    assert.deepEqual(await countsIn(NOON + 3 * MINUTE_MS, NOON + HOUR_MS), [])
  })

  test(`${name}: I19: the series of several banners are in the order asked for, merged or not`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const slices = [
      { resolution: 'minute', from: NOON - QUARTER_MS, to: NOON + MINUTE_MS },
      { resolution: 'quarter', from: NOON + QUARTER_MS, to: NOON + 4 * QUARTER_MS },
      { resolution: 'day', from: NOON + DAY_MS / 2, to: NOON + 9.5 * DAY_MS },
    ] as const
    const clicks = [
      clickOf(1, NOON),
      clickOf(3, NOON - 1),
      clickOf(3, NOON),
      clickOf(3, NOON + MINUTE_MS), // in no slice
      clickOf(3, NOON + 3 * QUARTER_MS),
      clickOf(2, NOON + QUARTER_MS - 1), // in no slice
      clickOf(1, NOON + 5 * DAY_MS),
    ]
    const assertCounted = async (times: number): Promise<void> => {
      const ofThird = [
        [NOON - MINUTE_MS, times],
        [NOON, times],
        [NOON + 3 * QUARTER_MS, times],
      ]
      const ofFirst = [
        [NOON, times],
        [Date.UTC(2024, 11, 15), times],
      ]
      assert.deepEqual(await countsOfAll(store, [3, 99, 1, 2], slices), [ofThird, [], ofFirst, []])
      assert.deepEqual(await countsOfAll(store, [1, 3], slices), [ofFirst, ofThird])
    }
    // What the first batches have added is merged in between, what the last one has is not yet.
    for (let round = 1; round <= 4; round += 1) {
      await store.commit(aggregate({ span: nextSpan(), clicks }))
      await assertCounted(round)
      await pause(300)
    }
    await pause(MERGED_AFTER_MS)
    await assertCounted(4)
    assert.deepEqual(await countsOfAll(store, [], slices), [])
  })

  test(`${name}: I19: the series of several banners are from one snapshot`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    const clicks = [1, 2, 3].map((bannerId) => clickOf(bannerId, NOON))
    const until = performance.now() + 1_500 // a few merges
    let [begun, rounds] = [0, 0]
    const committing = (async () => {
      while (performance.now() < until) {
        begun += 1
        await store.commit(aggregate({ span: nextSpan(), clicks }))
        rounds += 1
      }
    })()
    // Far apart, so that commits and merges come in between if anything can.
    const others = Array.from({ length: 500 }, (_, index) => 100 + index)
    while (performance.now() < until) {
      const acknowledged = rounds
      const { rows } = await store.series([1, ...others, 2, ...others, 3], 'click', [
        { resolution: 'minute', ...ALL_TIME },
      ])
      const [first, second, third] = sumsOf(rows).filter((_, index) => index % 501 === 0)
      assert.deepEqual([second, third], [first, first])
      // What is merged meanwhile is there once: neither missing nor twice.
      assert.ok(first !== undefined && first >= acknowledged && first <= begun, `${first} clicks`)
    }
    await committing
    assert.deepEqual(await countsOf(store, 3, 'minute'), [[NOON, rounds]])
  })

  test(`${name}: I8: completeUntil is not after the read, and does not go back`, async () => {
    await using store = await seeded(open)
    const nextSpan = writer()
    let last = 0
    for (let round = 0; round < 20; round += 1) {
      const acknowledged = store.clock.now()
      await store.commit(aggregate({ span: nextSpan(), clicks: [clickOf(1, acknowledged)] }))
      const { rows, completeUntil } = await store.series([1], 'click', [
        { resolution: 'day', ...ALL_TIME },
      ])
      assert.deepEqual(sumsOf(rows), [round + 1])
      assert.ok(completeUntil >= acknowledged && completeUntil >= last)
      assert.ok(completeUntil <= store.clock.now())
      last = completeUntil
    }
  })

  test(`${name}: I6: random commands leave what a plain Map says`, async () => {
    const click = fc.record({
      bannerId: fc.integer({ min: 1, max: 3 }),
      offset: fc.integer({ min: 0, max: 3 * DAY_MS }),
      key: fc.option(fc.constantFrom('a', 'b', 'c', 'd'), { nil: undefined }),
    })
    const batch = fc.record({
      clicks: fc.array(click, { maxLength: 20 }),
      repeats: fc.integer({ min: 1, max: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(
        fc.array(batch, { maxLength: 6 }),
        fc.nat(3 * DAY_MS),
        async (batches, split) => {
          await using store = await seeded(open)
          const nextSpan = writer()
          const model = new Map<string, number>()
          const keys = new Set<string>()
          for (const { clicks, repeats } of batches) {
            const all = clicks.map(({ bannerId, offset, key }) =>
              clickOf(bannerId, NOON + offset, key),
            )
            const batchToCommit = aggregate({ span: nextSpan(), clicks: all })
            for (let repeat = 0; repeat < repeats; repeat += 1) await store.commit(batchToCommit)
            for (const { bannerId, at, key } of batchToCommit.keyed.length > 0
              ? sortedByMinute(all)
              : all) {
              if (key !== undefined && keys.has(`${bannerId} ${key}`)) continue
              if (key !== undefined) keys.add(`${bannerId} ${key}`)
              for (const [resolution, unitMs] of Object.entries(UNITS)) {
                const slot = `${resolution} ${bannerId} ${Math.floor(at / unitMs) * unitMs}`
                model.set(slot, (model.get(slot) ?? 0) + 1)
              }
            }
          }
          await checkModel(store, model, NOON + Math.floor(split / MINUTE_MS) * MINUTE_MS)
        },
      ),
      runs(25),
    )
  })
}

/** Of two copies of a key in one batch the earlier minute counts: they are tried in that order. */
function sortedByMinute(clicks: readonly Click[]): Click[] {
  return clicks.toSorted((a, b) => Math.floor(a.at / MINUTE_MS) - Math.floor(b.at / MINUTE_MS))
}

async function checkModel(
  store: CountStore,
  model: ReadonlyMap<string, number>,
  split: number,
): Promise<void> {
  for (const resolution of ['minute', 'quarter', 'day'] as const) {
    const bannerIds = [3, 1, 2]
    const expected = bannerIds.map((bannerId) =>
      [...model]
        .map(([slot, count]) => [...slot.split(' '), count] as const)
        .filter(([unit, id]) => unit === resolution && Number(id) === bannerId)
        .map(([, , at, count]) => [Number(at), count])
        .toSorted(([a = 0], [b = 0]) => Number(a) - Number(b)),
    )
    assert.deepEqual(await countsOfAll(store, bannerIds, [{ resolution, ...ALL_TIME }]), expected)
  }
  const total = [...model]
    .filter(([slot]) => slot.startsWith('day'))
    .reduce((sum, [, count]) => sum + count, 0)
  const before = await sumOf(store, { from: 0, to: split })
  const after = await sumOf(store, { from: split, to: ALL_TIME.to })
  assert.equal(before + after, total)
}

async function sumOf(store: CountStore, range: { from: number; to: number }): Promise<number> {
  const { rows } = await store.totals('click', slicesOf(range))
  return rows.reduce((sum, { total }) => sum + total, 0)
}
