import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { inEachShape, jsonOf, type TestApp } from '../support/app.ts'
import { insertPast, runInStore } from '../support/past.ts'

const RANGE = 'tsFrom=2024-12-10T12:56:00Z&tsTo=2024-12-10T12:58:00Z'
const SERIES = {
  csv: 'timestamp,bannerID,count\r\n2024-12-10T12:56:00Z,42,1\r\n2024-12-10T12:57:00Z,42,2\r\n',
  ndjson:
    '{"timestamp":"2024-12-10T12:56:00Z","bannerID":42,"count":1}\n' +
    '{"timestamp":"2024-12-10T12:57:00Z","bannerID":42,"count":2}\n',
}

inEachShape((start) => {
  let app: TestApp
  before(async () => {
    app = await start()
    await insertPast(app, [
      [42, '2024-12-10T12:56:00Z', 1],
      [42, '2024-12-10T12:57:00Z', 2],
      [7, '2024-12-10T12:56:00Z', 30],
      [8, '2024-12-10T12:56:00Z', 20],
    ])
    await runInStore(
      app,
      `update banners set name = '=1+1' where id = 7;
       update banners set name = 'Say "hi", twice' where id = 8`,
    )
  })
  after(async () => {
    await app[Symbol.asyncDispose]()
  })

  function get(path: string, accept = '*/*', method = 'GET'): Promise<Response> {
    return fetch(`${app.origin}${path}`, { method, headers: { accept } })
  }

  test('a series as CSV and NDJSON, with the headers that JSON has', async () => {
    for (const [format, type] of [
      ['csv', /^text\/csv; charset=utf-8/],
      ['ndjson', /^application\/x-ndjson/],
    ] as const) {
      const answer = await get(`/stats/42?${RANGE}&format=${format}`)
      assert.equal(answer.status, 200)
      assert.match(answer.headers.get('content-type') ?? '', type)
      assert.equal(answer.headers.get('tallymark-total'), '3')
      assert.equal(answer.headers.get('tallymark-partial'), 'false')
      assert.match(answer.headers.get('tallymark-complete-until') ?? '', /^\d{4}-.*Z$/)
      assert.equal(answer.headers.get('vary'), 'Accept')
      assert.equal(await answer.text(), SERIES[format])
    }
  })

  test('Accept chooses too; the parameter wins, and what is not known means JSON', async () => {
    for (const [accept, query, type] of [
      ['text/csv', '', /^text\/csv/],
      ['text/html, application/x-ndjson;q=0.5, text/csv;q=0.9', '', /^text\/csv/],
      ['application/ndjson', '', /^application\/x-ndjson/],
      ['text/csv; charset=utf-8; header=present', '', /^text\/csv/],
      ['application/json;indent=2, text/csv;q=0.1', '', /^application\/json/],
      ['text/csv;note="a, b;c";q=0.2, application/x-ndjson;q=0.3', '', /^application\/x-ndjson/],
      ['text/html', '', /^application\/json/],
      ['*/*', '', /^application\/json/],
      ['nonsense;;q=', '', /^application\/json/],
      ['text/csv', '&format=ndjson', /^application\/x-ndjson/],
      ['text/csv', '&format=json', /^application\/json/],
    ] as const) {
      const answer = await get(`/stats/42?${RANGE}${query}`, accept)
      assert.match(answer.headers.get('content-type') ?? '', type, accept + query)
    }
    const refused = await get('/stats/42?tsFrom=x&format=csv', 'text/csv')
    assert.match(refused.headers.get('content-type') ?? '', /^application\/problem\+json/)
  })

  test('names in a CSV are quoted, and none is a formula', async () => {
    const answer = await get(`/stats?${RANGE}&format=csv`)
    assert.equal(
      await answer.text(),
      `bannerID,name,total\r\n7,'=1+1,30\r\n8,"Say ""hi"", twice",20\r\n42,Banner 42,3\r\n`,
    )
    const lines = (await (await get(`/stats?${RANGE}&format=ndjson`)).text()).split('\n')
    assert.equal(lines[0], '{"bannerID":7,"name":"=1+1","total":30}')
  })

  test('whatever a name begins with, it is no formula, and stays in its cell', async () => {
    await insertPast(app, [[1, '2024-11-10T12:56:00Z', 9]])
    for (const [name, cell] of [
      ['=1+1', `'=1+1`],
      ['+1', `'+1`],
      ['-1', `'-1`],
      ['@SUM(1)', `'@SUM(1)`],
      ['\t=1', `'\t=1`],
      ['\r=1', `"'\r=1"`],
      ['a\r=1', `"a\r=1"`],
      ['a\n=1', `"a\n=1"`],
      ['=HYPERLINK("http://x"),1', `"'=HYPERLINK(""http://x""),1"`],
      ['a=1', 'a=1'],
    ] as const) {
      await runInStore(app, `update banners set name = '${name}' where id = 1`)
      const hour = 'tsFrom=2024-11-10T12:00:00Z&tsTo=2024-11-10T13:00:00Z'
      const answer = await get(`/stats?${hour}&format=csv`)
      assert.equal(await answer.text(), `bannerID,name,total\r\n1,${cell},9\r\n`)
    }
  })

  test('a large answer is the same in every format, whole, and HEAD has its headers alone', async () => {
    const large = '/stats/42?tsFrom=2024-11-20T00:00:00Z&tsTo=2024-12-20T00:00:00Z&fill=zero'
    const json = await jsonOf(await get(large))
    const counts = json['counts'] as { timestamp: string; bannerID: number; count: number }[]
    assert.equal(counts.length, 30 * 1_440)
    assert.equal(json['total'], 3)
    const csv = (await (await get(`${large}&format=csv`)).text()).split('\r\n')
    assert.deepEqual(
      csv.slice(1, -1),
      counts.map(({ timestamp, bannerID, count }) => `${timestamp},${bannerID},${count}`),
    )
    const ndjson = (await (await get(`${large}&format=ndjson`)).text()).split('\n')
    assert.deepEqual(
      ndjson.slice(0, -1).map((line) => JSON.parse(line) as unknown),
      counts,
    )
    const head = await get(large, '*/*', 'HEAD')
    assert.equal(head.status, 200)
    assert.equal(head.headers.get('tallymark-total'), '3')
    assert.equal(await head.text(), '')
  })

  test('an answer without rows is still one of its format', async () => {
    const empty = 'tsFrom=2023-12-10T12:56:00Z&tsTo=2023-12-10T12:58:00Z'
    assert.equal(
      await (await get(`/stats/42?${empty}&format=csv`)).text(),
      'timestamp,bannerID,count\r\n',
    )
    assert.equal(await (await get(`/stats/42?${empty}&format=ndjson`)).text(), '')
    assert.deepEqual((await jsonOf(await get(`/stats/42?${empty}`)))['counts'], [])
  })
})
