import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { BANNER_ID_MAX } from '../../../src/banner.ts'
import type { Click } from '../../../src/click.ts'
import { INSTANT_END } from '../../../src/instant.ts'
import { decodeRecord, encodeRecord } from '../../../src/log/kafka/record.ts'
import { runs } from '../../support/properties.ts'

const NOON = Date.UTC(2024, 11, 10, 12)

function decoded(text: string): Click | string {
  return decodeRecord(Buffer.from(text))
}

/** A record of ours that is right but for what is given. */
function ours(fields: Record<string, unknown>): Click | string {
  return decoded(JSON.stringify({ v: 1, bannerID: 42, at: NOON, tally: 'click', ...fields }))
}

test('what is written is read again, by us and by any reader of JSON', () => {
  const visible = Array.from({ length: 94 }, (_, index) => String.fromCharCode(33 + index))
  const keys = fc.string({ unit: fc.constantFrom(...visible), minLength: 1, maxLength: 128 })
  const clicks = fc.record({
    bannerId: fc.integer({ min: 1, max: BANNER_ID_MAX }),
    at: fc.maxSafeInteger().map((each) => Math.abs(each) % INSTANT_END),
    key: fc.option(keys, { nil: undefined }),
  })
  fc.assert(
    fc.property(clicks, ({ bannerId, at, key }) => {
      const keyed = key === undefined ? {} : { key }
      const bytes = encodeRecord({ bannerId, tally: 'click', at, ...keyed })
      assert.deepEqual(decodeRecord(bytes), { bannerId, tally: 'click', at, ...keyed })
      const record = { v: 1, bannerID: bannerId, at, ...keyed, tally: 'click' }
      assert.deepEqual(JSON.parse(bytes.toString()), record)
    }),
    runs(500),
  )
})

test('whatever a record holds, it is a click that can be counted, or a reason', () => {
  const some = fc.oneof(fc.integer(), fc.double(), fc.string(), fc.constant(null))
  const texts = fc.oneof(
    fc.string(),
    fc.json(),
    fc.record({ v: fc.constant(1), bannerID: some, at: some }).map((each) => JSON.stringify(each)),
    fc.record({ banner_id: some, timestamp: fc.string() }).map((each) => JSON.stringify(each)),
  )
  fc.assert(
    fc.property(texts, (text) => {
      const click = decoded(text)
      if (typeof click === 'string') return
      assert.ok(click.bannerId >= 1 && click.bannerId <= BANNER_ID_MAX)
      assert.ok(Number.isInteger(click.at) && click.at >= 0 && click.at < INSTANT_END)
    }),
    runs(500),
  )
})

test('a record that is no click is refused with the reason', () => {
  assert.equal(decodeRecord(null), 'the record has no value')
  assert.equal(decodeRecord(new Uint8Array()), 'the value is not JSON')
  const table: readonly (readonly [reason: string, texts: readonly string[]])[] = [
    ['the value is not JSON', ['click', '{', '{"v":1}x', '\0']],
    ['the value is not a JSON object', ['null', '1', '"click"', '[]', 'true']],
    ['the version, v, is not known', ['{"v":2}', '{"v":"1"}', '{"v":null}', '{"v":0}']],
    ['the value has neither v nor banner_id', ['{}', '{"bannerID":1,"at":1}']],
    [
      'banner_id is not an integer from 1 to 2147483647',
      ['{"banner_id":0}', '{"banner_id":"1"}', '{"banner_id":2147483648}', '{"banner_id":null}'],
    ],
    [
      'the timestamp is not an RFC 3339 time from 1970 to 2100',
      [
        '{"banner_id":1}',
        '{"banner_id":1,"timestamp":1733835360}',
        '{"banner_id":1,"timestamp":"2024-12-10T12:56:00"}',
        '{"banner_id":1,"timestamp":"2024-02-30T12:56:00Z"}',
        '{"banner_id":1,"timestamp":"1969-12-31T23:59:59Z"}',
        '{"banner_id":1,"timestamp":"2101-01-01T00:00:00Z"}',
      ],
    ],
  ]
  for (const [reason, texts] of table) {
    for (const text of texts) assert.equal(decoded(text), reason, text)
  }
})

test('a field that is wrong is named', () => {
  for (const bannerID of [0, -1, 1.5, BANNER_ID_MAX + 1, '1', null, undefined]) {
    const reason = 'bannerID is not an integer from 1 to 2147483647'
    assert.equal(ours({ bannerID }), reason, String(bannerID))
  }
  for (const at of [-1, 1.5, INSTANT_END, '1', null, undefined, '2024-12-10T12:56:00Z']) {
    const reason = 'at is not an instant from 1970 to 2100 in Unix milliseconds'
    assert.equal(ours({ at }), reason, String(at))
  }
  for (const key of ['', 'x'.repeat(129), 'a b', 'é', 'a\n', 1, null, {}]) {
    const reason = 'the key is not 1 to 128 visible ASCII characters'
    assert.equal(ours({ key }), reason, JSON.stringify(key))
  }
  for (const tally of ['view', '', 1, null]) {
    assert.equal(ours({ tally }), 'the tally is not known')
  }
})

test('what is not needed may be missing, and what is not known is ignored', () => {
  const click: Click = { bannerId: 42, tally: 'click', at: NOON }
  assert.deepEqual(ours({ tally: undefined }), click)
  assert.deepEqual(ours({ campaign: 'autumn' }), click)
  assert.deepEqual(ours({ at: 0 }), { ...click, at: 0 })
  assert.deepEqual(ours({ at: INSTANT_END - 1 }), { ...click, at: INSTANT_END - 1 })
})

test('the records of the original service are clicks, too', () => {
  const at = Date.UTC(2024, 11, 10, 12, 56)
  for (const [timestamp, instant] of [
    ['2024-12-10T12:56:00Z', at],
    ['2024-12-10T15:56:00+03:00', at],
    ['2024-12-10T12:56:00.123456789Z', at + 123],
    ['1970-01-01T00:00:00Z', 0],
    ['2100-12-31T23:59:59.999999999Z', Date.UTC(2101, 0, 1) - 1],
  ] as const) {
    const click = decoded(JSON.stringify({ banner_id: 42, timestamp }))
    assert.deepEqual(click, { bannerId: 42, tally: 'click', at: instant }, timestamp)
  }
})
