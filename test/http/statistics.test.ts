import assert from 'node:assert/strict'
import { request as httpRequest } from 'node:http'
import { after, before, test } from 'node:test'
import { ARCHIVED, inEachShape, jsonOf, PAUSED, type Json, type TestApp } from '../support/app.ts'
import { insertPast } from '../support/past.ts'

/** fetch refuses a body with GET; the original's README asks that way. */
function getWithBody(url: string, body: string): Promise<Json> {
  return new Promise((resolve, reject) => {
    const headers = { 'content-length': Buffer.byteLength(body) }
    const sent = httpRequest(url, { method: 'GET', headers }, (answer) => {
      let text = ''
      answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
      answer.on('end', () => resolve(JSON.parse(text) as Json))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const RANGE = { tsFrom: '2024-12-10T12:56:30Z', tsTo: '2024-12-10T12:57:01Z' }

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await insertPast(app, [
      [42, '2024-12-10T12:56:00Z', 1],
      [42, '2024-12-10T12:57:00Z', 2],
      [42, '2025-01-19T12:56:00Z', 5],
      [7, '2024-12-10T12:56:00Z', 3],
    ])
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  test('the three ways to ask give the same answer', async () => {
    const query = `/stats/42?${new URLSearchParams(RANGE).toString()}`
    const answers = [
      await jsonOf(await fetch(`${app.origin}${query}`)),
      await jsonOf(await fetch(`${app.origin}${query}`, { method: 'POST' })),
      await jsonOf(await fetch(`${app.origin}${query}`, { method: 'POST', body: '{}' })),
      await jsonOf(
        await fetch(`${app.origin}/stats/42`, { method: 'POST', body: JSON.stringify(RANGE) }),
      ),
      await getWithBody(`${app.origin}/stats/42`, JSON.stringify(RANGE)),
    ]
    for (const { completeUntil, ...answer } of answers) {
      assert.match(String(completeUntil), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/)
      assert.deepEqual(answer, {
        bannerID: 42,
        name: 'Banner 42',
        tsFrom: '2024-12-10T12:56:00Z',
        tsTo: '2024-12-10T12:58:00Z',
        step: 'minute',
        tz: 'UTC',
        total: 3,
        counts: [
          { timestamp: '2024-12-10T12:56:00Z', bannerID: 42, count: 1 },
          { timestamp: '2024-12-10T12:57:00Z', bannerID: 42, count: 2 },
        ],
        partial: false,
      })
    }
  })

  test('an answer’s headers say its total and how far it is complete', async () => {
    const parameters = new URLSearchParams(RANGE).toString()
    for (const path of ['/stats/42', '/stats']) {
      const answer = await fetch(`${app.origin}${path}?${parameters}`)
      const { total, completeUntil, partial } = await jsonOf(answer)
      assert.equal(answer.headers.get('tallymark-total'), String(total))
      assert.equal(answer.headers.get('tallymark-complete-until'), completeUntil)
      assert.equal(answer.headers.get('tallymark-partial'), String(partial))
      assert.equal(answer.headers.get('vary'), 'Accept')
    }
  })

  test('a range is floored and ceiled to whole minutes, however little is beyond them', async () => {
    for (const [tsFrom, tsTo, from, to] of [
      ['12:56:59.99999999999', '12:57:00', '12:56', '12:57'],
      ['12:56:00', '12:57:00.0000000001', '12:56', '12:58'],
      ['12:56:00.000', '12:57:00.000000000', '12:56', '12:57'],
      ['12:56:59.9994', '12:57:59.0001', '12:56', '12:58'],
    ] as const) {
      const query = `tsFrom=2024-12-10T${tsFrom}Z&tsTo=2024-12-10T${tsTo}Z`
      const answer = await jsonOf(await fetch(`${app.origin}/stats/42?${query}`))
      assert.equal(answer['tsFrom'], `2024-12-10T${from}:00Z`, query)
      assert.equal(answer['tsTo'], `2024-12-10T${to}:00Z`, query)
    }
  })

  test('times may be written in every documented way', async () => {
    for (const tsFrom of [
      '2024-12-10T12:56:00Z',
      '2024-12-10t12:56:59.999z',
      '2024-12-10T15:56:00+03:00',
      '2024-12-10T15:56:00 03:00',
      '2024-12-10T09:26:00-03:30',
      '1733835360',
      '1733835360123',
    ]) {
      const parameters = new URLSearchParams({ tsFrom, tsTo: '1733835420' }).toString()
      const answer = await jsonOf(await fetch(`${app.origin}/stats/42?${parameters}`))
      assert.equal(answer['tsFrom'], '2024-12-10T12:56:00Z', tsFrom)
      assert.equal(answer['total'], 1, tsFrom)
    }
    const unescaped = `${app.origin}/stats/42?tsFrom=2024-12-10T15:56:00+03:00&tsTo=1733835420`
    assert.equal((await jsonOf(await fetch(unescaped)))['total'], 1)
    const body = JSON.stringify({ tsFrom: 1_733_835_360, tsTo: 1_733_835_420_000 })
    const answer = await fetch(`${app.origin}/stats/42`, { method: 'POST', body })
    assert.equal((await jsonOf(answer))['total'], 1)
  })

  test('without times GET answers for the last hour; the open minute is partial', async () => {
    await fetch(`${app.origin}/counter/1`)
    const now = Date.now()
    await app.counted()
    const answer = await jsonOf(await fetch(`${app.origin}/stats/1`))
    const from = Date.parse(String(answer['tsFrom']))
    const to = Date.parse(String(answer['tsTo']))
    assert.ok(from <= now - 3_600_000 && from > now - 3_700_000)
    assert.ok(to > now && to <= now + 60_000 + 5_000)
    assert.equal(answer['total'], 1)
    assert.equal(answer['partial'], true)
    const counts = answer['counts'] as Json[]
    assert.ok(Date.parse(String(answer['completeUntil'])) >= now)
    assert.equal(counts.length, 1)
  })

  test('any split of a range adds up', async () => {
    const totalOf = async (tsFrom: string, tsTo: string): Promise<number> => {
      const parameters = new URLSearchParams({ tsFrom, tsTo }).toString()
      return Number((await jsonOf(await fetch(`${app.origin}/stats?${parameters}`)))['total'])
    }
    const [from, middle, to] = [
      '2024-12-01T00:00:00Z',
      '2024-12-10T12:57:00Z',
      '2025-02-01T00:00:00Z',
    ]
    assert.equal(await totalOf(from ?? '', to ?? ''), 11)
    assert.equal(await totalOf(from ?? '', middle ?? ''), 4)
    assert.equal(await totalOf(middle ?? '', to ?? ''), 7)
  })

  test('totals are of banners with clicks, most first', async () => {
    const range = 'tsFrom=2024-12-10T12:56:00Z&tsTo=2024-12-10T12:58:00Z'
    const { completeUntil, ...answer } = await jsonOf(await fetch(`${app.origin}/stats?${range}`))
    assert.ok(completeUntil !== undefined)
    assert.deepEqual(answer, {
      tsFrom: '2024-12-10T12:56:00Z',
      tsTo: '2024-12-10T12:58:00Z',
      tz: 'UTC',
      total: 6,
      banners: [
        { bannerID: 7, name: 'Banner 7', total: 3 },
        { bannerID: 42, name: 'Banner 42', total: 3 },
      ],
      partial: false,
    })
  })

  test('a click is in the totals and the series as soon as answers are complete until then', async () => {
    const totalIn = async (path: string) =>
      Number((await jsonOf(await fetch(`${app.origin}${path}`)))['total'])
    const paths = ['/stats', '/stats/8']
    for (let round = 0; round < 20; round += 1) {
      const earlier = await Promise.all(paths.map(totalIn))
      await fetch(`${app.origin}/counter/8`, { method: 'POST' })
      await app.counted()
      const afterwards = await Promise.all(paths.map(totalIn))
      assert.deepEqual(
        afterwards,
        earlier.map((total) => total + 1),
      )
    }
  })

  test('banners without clicks, also paused and archived ones, have no counts', async () => {
    for (const id of [9, PAUSED, ARCHIVED]) {
      const answer = await fetch(`${app.origin}/stats/${id}`)
      assert.equal(answer.status, 200)
      const { total, counts } = await jsonOf(answer)
      assert.deepEqual({ total, counts }, { total: 0, counts: [] })
    }
  })

  test('100,000 steps are answered, and not one more, as the zone counts them', async () => {
    const kolkata = 'step=hour&tz=Asia/Kolkata&fill=zero'
    const table: [query: string, status: number][] = [
      ['tsFrom=0&tsTo=6000000', 200],
      ['tsFrom=0&tsTo=6000060', 400],
      // Its hours begin at the half hours of UTC.
      [`${kolkata}&tsFrom=66600&tsTo=360066600`, 200],
      [`${kolkata}&tsFrom=0&tsTo=360000000`, 400],
    ]
    for (const [query, status] of table) {
      const answer = await fetch(`${app.origin}/stats/42?${query}`)
      await answer.arrayBuffer()
      assert.equal(answer.status, status, query)
    }
  })

  test('what begins before 1970, by its step, lacks no minutes', async () => {
    const answer = await fetch(`${app.origin}/stats/42?tsFrom=0&tsTo=60&step=week`)
    const { tsFrom, minutesFrom } = await jsonOf(answer)
    assert.deepEqual([tsFrom, minutesFrom], ['1969-12-29T00:00:00Z', undefined])
    assert.equal(answer.headers.get('tallymark-minutes-from'), null)
  })
})
