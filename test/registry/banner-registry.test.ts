import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import type { Banner, BannerStatus } from '../../src/banner.ts'
import { BannerRegistry } from '../../src/registry/banner-registry.ts'
import type { BannerChanges } from '../../src/registry/banner-store.ts'

/** Longer than any test takes. */
const LOOK_UP_MS = 300_000
const NONE = { active: [], paused: [], archived: [] }

/** Banners at rest, and how often each was looked up. */
function bannersAtRest(initial: Record<number, BannerStatus>) {
  const statuses = new Map(Object.entries(initial).map(([id, status]) => [Number(id), status]))
  const lookUps: number[] = []
  return {
    statuses,
    lookUps,
    async changesSince(since: number) {
      const idsOf = (wanted: BannerStatus) =>
        [...statuses].filter(([, status]) => status === wanted).map(([id]) => id)
      const all = {
        active: idsOf('active'),
        paused: idsOf('paused'),
        archived: idsOf('archived'),
      }
      return { version: 1, ids: since < 1 ? all : NONE }
    },
    async find(id: number): Promise<Banner | undefined> {
      lookUps.push(id)
      await pause(1)
      const status = statuses.get(id)
      if (status === undefined) return undefined
      return { id, name: `Banner ${id}`, url: null, status, createdAt: 0 }
    },
  }
}

test('before the registry is loaded nothing is known: store_unavailable', () => {
  const registry = new BannerRegistry(bannersAtRest({ 1: 'active' }), LOOK_UP_MS)
  assert.equal(registry.isLoaded, false)
  assert.throws(() => registry.statusOf(1), { code: 'store_unavailable' })
})

test('a known banner is answered from memory', async () => {
  const store = bannersAtRest({ 1: 'active', 2: 'paused', 3: 'archived' })
  const registry = new BannerRegistry(store, LOOK_UP_MS)
  await registry.refresh()
  assert.deepEqual(
    [1, 2, 3].map((id) => registry.statusOf(id)),
    ['active', 'paused', 'archived'],
  )
  assert.deepEqual(store.lookUps, [])
})

test('an unknown banner is looked up once, then believed for a second', async () => {
  const store = bannersAtRest({ 1: 'active' })
  const registry = new BannerRegistry(store, LOOK_UP_MS)
  await registry.refresh()
  const answers = await Promise.all(Array.from({ length: 50 }, async () => registry.statusOf(7)))
  assert.deepEqual(new Set(answers), new Set([undefined]))
  assert.equal(registry.statusOf(7), undefined)
  assert.deepEqual(store.lookUps, [7])
  store.statuses.set(7, 'active') // another process adds it
  const deadline = performance.now() + 20_000
  while ((await registry.statusOf(7)) !== 'active') {
    assert.ok(performance.now() < deadline, 'it is never found')
    await pause(50)
  }
  assert.equal(store.lookUps.length, 2)
})

test('a flood of unknown ids is bounded: memory, and look-ups at once', async () => {
  const store = bannersAtRest({})
  const registry = new BannerRegistry(store, LOOK_UP_MS)
  await registry.refresh()
  const flood = Array.from({ length: 1_001 }, async (_, id) => registry.statusOf(id + 1))
  const settled = await Promise.allSettled(flood)
  const refused = settled.filter(({ status }) => status === 'rejected')
  assert.equal(refused.length, 1)
  assert.equal(store.lookUps.length, 1_000)
})

test('a look-up that hangs is given up in time, and asked no second time while it hangs', async () => {
  const asked: number[] = []
  const answer = Promise.withResolvers<Banner | undefined>()
  const registry = new BannerRegistry(
    {
      changesSince: async () => ({ version: 1, ids: NONE }),
      async find(id) {
        asked.push(id)
        return answer.promise
      },
    },
    1,
  )
  await registry.refresh()
  const lookUp = async () => registry.statusOf(7)
  await assert.rejects(lookUp(), { code: 'store_unavailable' })
  await assert.rejects(lookUp(), { code: 'store_unavailable' })
  assert.deepEqual(asked, [7])
  answer.resolve({ id: 7, name: 'Seven', url: null, status: 'paused', createdAt: 0 })
  await pause(1)
  assert.equal(registry.statusOf(7), 'paused')
})

test('of two refreshes under way the newer answer stays, whichever comes last', async () => {
  const answers = [Promise.withResolvers<BannerChanges>(), Promise.withResolvers<BannerChanges>()]
  const asked = answers.map(({ promise }) => promise)
  const registry = new BannerRegistry(
    {
      changesSince: async () => asked.shift() ?? { version: 9, ids: NONE },
      find: async () => undefined,
    },
    LOOK_UP_MS,
  )
  const refreshes = Promise.all([registry.refresh(), registry.refresh()])
  answers[1]?.resolve({ version: 2, ids: { ...NONE, paused: [7] } })
  await pause(1)
  answers[0]?.resolve({ version: 1, ids: { ...NONE, active: [7] } })
  await refreshes
  assert.equal(registry.statusOf(7), 'paused')
})

test('a registry that went back, as after a failover, is read anew', async () => {
  const answers: BannerChanges[] = [
    { version: 5, ids: { ...NONE, active: [7] } },
    { version: 3, ids: NONE },
    { version: 3, ids: { ...NONE, archived: [7] } },
    { version: 4, ids: { ...NONE, paused: [7] } },
  ]
  const asked: number[] = []
  const registry = new BannerRegistry(
    {
      async changesSince(since) {
        asked.push(since)
        return answers.shift() ?? assert.fail('it asks too often')
      },
      find: async () => undefined,
    },
    LOOK_UP_MS,
  )
  await registry.refresh()
  await registry.refresh()
  assert.equal(registry.statusOf(7), 'archived')
  await registry.refresh()
  assert.equal(registry.statusOf(7), 'paused')
  assert.deepEqual(asked, [0, 5, 0, 3])
})
