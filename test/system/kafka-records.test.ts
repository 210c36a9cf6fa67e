// Records that others wrote: what is a click is counted, what is none is kept, and nothing stalls.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createDatabase, runSql } from '../support/database.ts'
import { startKafkaApp, until, untilComplete } from '../support/kafka-app.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { PlainTopic } from '../support/plain-topic.ts'

const GOOD = '{"v":1,"bannerID":1,"at":1733835360000}'
const ORIGINAL = '{"banner_id":2,"timestamp":"2024-12-10T12:56:00Z"}'
const PARTITIONS = 3

interface Place extends AsyncDisposable {
  readonly topic: PlainTopic
  readonly databaseUrl: string
  readonly settings: Readonly<Record<string, string>>
  /** By source and offset. */
  deadLetters(): Promise<readonly DeadLetter[]>
}

interface DeadLetter {
  readonly position: bigint
  readonly reason: string
  readonly bytes: Buffer
}

async function createPlace(): Promise<Place> {
  const brokers = process.env['KAFKA_BROKERS_TEST'] ?? ''
  await using building = new AsyncDisposableStack()
  const { url } = building.use(await createDatabase())
  const topic = building.use(new PlainTopic(brokers))
  await topic.create(PARTITIONS)
  building.defer(() => topic.delete())
  const built = building.move()
  return {
    topic,
    databaseUrl: url,
    settings: { DATABASE_URL: url, KAFKA_BROKERS: brokers, KAFKA_TOPIC: topic.name },
    deadLetters: async () => {
      const rows = await runSql(
        url,
        'select position, reason, bytes from dead_letters order by source, position',
      )
      return rows.map(({ position, reason, bytes }) => ({
        position: BigInt(String(position)),
        reason: String(reason),
        bytes: bytes as Buffer, // a bytea
      }))
    },
    [Symbol.asyncDispose]: () => built.disposeAsync(),
  }
}

function withKey(key: string): string {
  return JSON.stringify({ v: 1, bannerID: 3, at: 1_733_835_360_000, key })
}

const KEY_REASON = 'the key is not 1 to 128 visible ASCII characters'
/** Records that are no clicks, and why. */
const BAD: readonly (readonly [string | Buffer | undefined, string])[] = [
  ['not JSON', 'the value is not JSON'],
  ['', 'the value is not JSON'],
  ['[1]', 'the value is not a JSON object'],
  ['{"v":2,"bannerID":1,"at":1733835360000}', 'the version, v, is not known'],
  ['{"v":1,"bannerID":2147483647,"at":1733835360000}', 'the banner was never registered'],
  ['{"v":1,"bannerID":"1","at":1}', 'bannerID is not an integer from 1 to 2147483647'],
  ['{"v":1,"bannerID":1,"at":-1}', 'at is not an instant from 1970 to 2100 in Unix milliseconds'],
  ['{"v":1,"bannerID":1,"at":1,"tally":"view"}', 'the tally is not known'],
  [withKey(''), KEY_REASON],
  [withKey('with a blank'), KEY_REASON],
  [withKey('\u0000'), KEY_REASON],
  ['{"v":1,"bannerID":3,"at":1,"key":"\\ud800"}', KEY_REASON],
  [withKey('\u{1f600}'), KEY_REASON],
  [undefined, 'the record has no value'],
  [Buffer.from([0xff, 0xfe, 0x00, 0x7b]), 'the value is not JSON'],
  [`{"v":1,"bannerID":1,"at":1,"key":"${'x'.repeat(900_000)}"}`, KEY_REASON],
  ['{"banner_id":1}', 'the timestamp is not an RFC 3339 time from 1970 to 2100'],
  [
    '{"banner_id":0,"timestamp":"2024-12-10T12:56:00Z"}',
    'banner_id is not an integer from 1 to 2147483647',
  ],
  ['{}', 'the value has neither v nor banner_id'],
]

test(
  'I16: records that are no clicks are kept with reason, offset and bytes, and those around them are counted',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    await place.topic.write([GOOD], { partition: 1 })
    for (const [value] of BAD) await place.topic.write([GOOD, value])
    await place.topic.write([ORIGINAL, withKey('once'), withKey('once')])
    await using app = await startKafkaApp(place.settings)
    // What was there before the topic was first opened nobody was acknowledged by us, so
    // completeUntil does not speak of it.
    const good = 1 + BAD.length + 2
    await until('they are counted', async () => (await untilComplete(app.origin)) >= good)
    assert.equal(await untilComplete(app.origin), good)
    const found = await place.deadLetters()
    assert.deepEqual(
      found.map(({ position, reason }) => [position, reason]),
      BAD.map(([, reason], index) => [BigInt(2 * index + 1), reason]),
    )
    for (const [index, { bytes }] of found.entries()) {
      assert.ok(bytes.equals(Buffer.from(BAD[index]?.[0] ?? '')), `bytes of ${index}`)
    }
    // After a new start they are neither counted nor kept again.
    await app[Symbol.asyncDispose]()
    await using again = await startKafkaApp(place.settings)
    await place.topic.write([GOOD])
    assert.equal(await untilComplete(again.origin), good + 1)
    assert.equal((await place.deadLetters()).length, BAD.length)
  },
)

test(
  'I16: a banner that another process registered this moment is no unknown one',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    await using api = await startKafkaApp({ ...place.settings, ROLE: 'api' })
    await using counting = await startKafkaApp({ ...place.settings, ROLE: 'aggregator' })
    await untilComplete(api.origin)
    for (let id = 1_000; id < 1_010; id += 1) {
      const answer = await fetch(`${api.origin}/banners`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ id, name: 'New' }),
      })
      assert.equal(answer.status, 201, await answer.text())
      await place.topic.write([JSON.stringify({ v: 1, bannerID: id, at: 1_733_835_360_000 })])
    }
    assert.equal(await untilComplete(api.origin), 10)
    assert.deepEqual(await place.deadLetters(), [])
    assert.doesNotMatch(counting.log(), /cannot be counted/)
  },
)

test('compressed batches are read, whatever the codec', NEEDS_KAFKA, async () => {
  await using place = await createPlace()
  await using app = await startKafkaApp(place.settings)
  const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const
  for (const compression of codecs) {
    await place.topic.write(
      Array.from({ length: 100 }, () => GOOD),
      { compression },
    )
  }
  assert.equal(await untilComplete(app.origin), codecs.length * 100)
})

test('the ends of transactions hold nothing up', NEEDS_KAFKA, async () => {
  await using place = await createPlace()
  await using app = await startKafkaApp(place.settings)
  await place.topic.writeInTransaction([GOOD, GOOD], 'commit')
  await place.topic.write([GOOD])
  await place.topic.writeInTransaction([GOOD], 'commit', 1)
  assert.equal(await untilComplete(app.origin), 4)
  await place.topic.writeInTransaction([GOOD], 'abort', 1)
  await place.topic.write([GOOD, GOOD], { partition: 1 })
  assert.ok((await untilComplete(app.origin)) >= 6)
  assert.deepEqual(await place.deadLetters(), [])
})

test(
  'I16: a record that the store rejects becomes a dead letter, and the others are counted',
  NEEDS_KAFKA,
  async () => {
    await using place = await createPlace()
    {
      await using first = await startKafkaApp(place.settings)
      await untilComplete(first.origin)
    }
    await runSql(
      place.databaseUrl,
      `create function refuse_banner() returns trigger language plpgsql as $$
     begin
       if 5 = any(new.banner_ids) then
         raise data_exception using message = 'banner 5 is refused';
       end if;
       return new;
     end $$;
     create trigger refuse_banner before insert on unmerged
     for each row execute function refuse_banner()`,
    )
    const refused = '{"v":1,"bannerID":5,"at":1733835360000}'
    const many = Array.from({ length: 60 }, () => GOOD)
    many[0] = refused
    many[17] = '{"v":1,"bannerID":5,"at":1733835360000,"key":"a"}'
    many[18] = refused
    many[59] = refused
    await place.topic.write(many)
    await place.topic.write([refused, 'no click', refused], { partition: 1 })
    // The end of a transaction takes an offset, too, behind the one that is rejected.
    await place.topic.writeInTransaction([refused], 'commit', 2)
    await using app = await startKafkaApp(place.settings)
    await until('the good ones are counted', async () => (await untilComplete(app.origin)) >= 56)
    assert.equal(await untilComplete(app.origin), 56)
    const found = await place.deadLetters()
    assert.deepEqual(
      found.map(({ position }) => position),
      [0n, 17n, 18n, 59n, 0n, 1n, 2n, 0n],
    )
    const reasons = found.filter(({ reason }) => reason.includes('banner 5 is refused'))
    assert.equal(reasons.length, 7)
    assert.match(reasons[0]?.reason ?? '', /^the store refuses it: /)
  },
)
