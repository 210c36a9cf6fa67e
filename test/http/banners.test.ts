import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ARCHIVED, inEachShape, jsonOf, PAUSED, UNKNOWN, type TestApp } from '../support/app.ts'
import { totalOf } from '../support/service.ts'

const SEEDED = [1, 2, 3, 4, 5, 6, 7, 8, 9, 42, PAUSED]

/** A JSON request; undefined: without a body. */
function send(app: TestApp, method: string, path: string, body?: unknown): Promise<Response> {
  return fetch(`${app.origin}${path}`, {
    method,
    ...(body !== undefined && {
      body: JSON.stringify(body),
      headers: { 'content-type': 'application/json' },
    }),
  })
}

async function idsOf(app: TestApp, query: string): Promise<unknown> {
  const page = await jsonOf(await send(app, 'GET', `/banners?${query}`))
  const ids = (page['banners'] as { id: number }[]).map(({ id }) => id)
  return 'next' in page ? { ids, next: page['next'] } : { ids }
}

async function clickOf(app: TestApp, id: number): Promise<number> {
  return (await send(app, 'POST', `/counter/${id}`)).status
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('B1: banners are listed by id, page by page, archived ones only if asked for', async () => {
    assert.deepEqual(await idsOf(app, ''), { ids: SEEDED })
    assert.deepEqual(await idsOf(app, 'archived=false'), { ids: SEEDED })
    assert.deepEqual(await idsOf(app, 'archived=true'), { ids: [...SEEDED, ARCHIVED] })
    assert.deepEqual(await idsOf(app, 'limit=2'), { ids: [1, 2], next: 2 })
    assert.deepEqual(await idsOf(app, 'limit=2&after=8'), { ids: [9, 42], next: 42 })
    assert.deepEqual(await idsOf(app, 'limit=1&after=42'), { ids: [PAUSED] })
    assert.deepEqual(await idsOf(app, 'after=2147483647'), { ids: [] })
  })

  test('B1: a page has 1,000 banners at most', async () => {
    await using own = await start()
    for (let first = 1_000; first < 2_000; first += 100) {
      const some = Array.from({ length: 100 }, (_, index) => ({ id: first + index, name: 'x' }))
      await Promise.all(some.map((banner) => send(own, 'POST', '/banners', banner)))
    }
    const page = await jsonOf(await send(own, 'GET', '/banners'))
    assert.equal((page['banners'] as unknown[]).length, 1_000)
    assert.deepEqual(await idsOf(own, `after=${String(page['next'])}`), {
      ids: Array.from({ length: SEEDED.length }, (_, index) => 2_000 - SEEDED.length + index),
    })
  })

  test('B2: one banner is shown, or 404', async () => {
    const answer = await send(app, 'GET', `/banners/${PAUSED}`)
    assert.equal(answer.status, 200)
    const banner = await jsonOf(answer)
    assert.match(String(banner['createdAt']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
    const { createdAt } = banner
    const url = 'https://example.org/'
    assert.deepEqual(banner, { id: PAUSED, name: 'Paused', url, status: 'paused', createdAt })
    assert.equal((await send(app, 'GET', `/banners/${UNKNOWN}`)).status, 404)
  })

  test('B3: a banner is registered, and clicked at once', async () => {
    assert.equal(await clickOf(app, 700), 404) // remembered as unknown for a second
    const answer = await send(app, 'POST', '/banners', { id: 700, name: '  "Sale", ünique 😀 ' })
    assert.equal(answer.status, 201)
    assert.equal(answer.headers.get('location'), '/banners/700')
    assert.equal(answer.headers.get('access-control-allow-origin'), null)
    const banner = await jsonOf(answer)
    const { createdAt } = banner
    const name = '  "Sale", ünique 😀 '
    assert.deepEqual(banner, { id: 700, name, url: null, status: 'active', createdAt })
    assert.deepEqual(await jsonOf(await send(app, 'GET', '/banners/700')), banner)
    assert.equal(await clickOf(app, 700), 200)
    const whole = { id: 701, name: 'x'.repeat(200), url: 'http://a/', status: 'paused' }
    const { createdAt: _, ...registered } = await jsonOf(await send(app, 'POST', '/banners', whole))
    assert.deepEqual(registered, whole)
    assert.equal(await clickOf(app, 701), 410)
  })

  test('B4: an id that was ever used is refused, also that of an archived banner', async () => {
    for (const id of [1, PAUSED, ARCHIVED]) {
      const answer = await send(app, 'POST', '/banners', { id, name: 'Again' })
      assert.equal(answer.status, 409)
      const { code, errors } = await jsonOf(answer)
      assert.equal(code, 'banner_exists')
      assert.deepEqual(errors, [{ field: 'id', message: 'must be one that no banner has, or had' }])
    }
    assert.equal((await jsonOf(await send(app, 'GET', '/banners/1')))['name'], 'Banner 1')
  })

  test('B5: without an id the service gives out its next, skipping used ones', async () => {
    await using own = await start()
    const idOf = async (id?: number): Promise<unknown> =>
      (await jsonOf(await send(own, 'POST', '/banners', { id, name: 'x' })))['id']
    assert.deepEqual([await idOf(), await idOf()], [10, 11])
    assert.equal(await idOf(UNKNOWN), UNKNOWN)
    assert.equal(await idOf(12), 12)
    assert.deepEqual([await idOf(), await idOf()], [13, 14])
  })

  test('B6: a change changes what it names; {} nothing; null clears the URL', async () => {
    const url = 'https://example.org/a'
    const banner = await jsonOf(await send(app, 'POST', '/banners', { id: 600, name: 'x', url }))
    const changes: (readonly [change: Record<string, unknown>])[] = [
      [{}],
      [{ name: 'Ü' }],
      [{ status: 'paused' }],
      [{ url: null }],
      [{ url: 'http://b/', status: 'active', name: 'y' }],
    ]
    let expected = banner
    for (const [change] of changes) {
      expected = { ...expected, ...change }
      const answer = await send(app, 'PATCH', '/banners/600', change)
      assert.equal(answer.status, 200)
      assert.deepEqual(await jsonOf(answer), expected)
      assert.deepEqual(await jsonOf(await send(app, 'GET', '/banners/600')), expected)
      assert.equal(await clickOf(app, 600), expected['status'] === 'active' ? 200 : 410)
    }
    assert.equal((await send(app, 'PATCH', `/banners/${UNKNOWN}`, { name: 'x' })).status, 404)
    assert.equal((await send(app, 'PATCH', `/banners/${UNKNOWN}`, {})).status, 404)
  })

  test('B7: a deleted banner is archived: its counts stay, and a change brings it back', async () => {
    assert.equal(await clickOf(app, 9), 200)
    const answer = await send(app, 'DELETE', '/banners/9')
    assert.equal(answer.status, 204)
    assert.equal(await answer.text(), '')
    assert.equal(await clickOf(app, 9), 410)
    assert.equal((await send(app, 'DELETE', '/banners/9')).status, 204)
    assert.equal((await jsonOf(await send(app, 'GET', '/banners/9')))['status'], 'archived')
    await app.counted()
    assert.equal((await jsonOf(await send(app, 'GET', '/stats/9')))['total'], 1)
    await send(app, 'PATCH', '/banners/9', { status: 'active' })
    assert.equal(await clickOf(app, 9), 200)
    await app.counted()
    assert.equal((await jsonOf(await send(app, 'GET', '/stats/9')))['total'], 2)
    assert.equal((await send(app, 'DELETE', `/banners/${UNKNOWN}`)).status, 404)
  })

  test('B9: a banner that comes and goes while clicks arrive loses none that was accepted', async () => {
    await app.counted()
    const earlier = await totalOf(app.origin)
    let accepted = 0
    let refused = 0
    let isChanging = true
    const clicking = Array.from({ length: 8 }, async () => {
      while (isChanging) {
        const status = await clickOf(app, 8)
        if (status === 200) accepted += 1
        else {
          assert.equal(status, 410)
          refused += 1
        }
      }
    })
    for (let round = 0; round < 20; round += 1) {
      await send(app, 'DELETE', '/banners/8')
      await send(app, 'PATCH', '/banners/8', { status: round % 2 === 0 ? 'paused' : 'active' })
      await send(app, 'PATCH', '/banners/8', { status: 'active', name: `Round ${round}` })
    }
    isChanging = false
    await Promise.all(clicking)
    assert.ok(accepted > 0 && refused > 0, `${accepted} accepted, ${refused} refused`)
    await app.counted()
    assert.equal((await totalOf(app.origin)) - earlier, accepted)
  })
})
