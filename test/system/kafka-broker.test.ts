// What was answered while the broker hangs or is dead, held against what the topic holds then.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import { KafkaSink } from '../../src/log/kafka/sink.ts'
import { until } from '../support/kafka-app.ts'
import { NEEDS_KAFKA } from '../support/topic.ts'
import { startKafka, type KafkaBroker } from '../support/kafka.ts'
import { PlainTopic } from '../support/plain-topic.ts'

const PARTITIONS = 3
const HANGS = 3
/** Longer than a request may take, so that it is tried again. */
const HANG_MS = 5_000
const BETWEEN_MS = 1_000
const PACE_MS = 5
const CLICKS_AT_ONCE = 5
const WAITING_MAX = 50

let kafka: KafkaBroker
before(async () => {
  if (NEEDS_KAFKA.skip === undefined) kafka = await startKafka()
})
after(async () => {
  await kafka?.[Symbol.asyncDispose]()
})

type Answer = 'acknowledged' | 'overloaded' | 'store_unavailable'

/** A sink with nothing behind it, and what it answered: each click has a banner id of its own. */
class Ledger implements AsyncDisposable {
  readonly topic = new PlainTopic(kafka.brokers)
  /** Sizes of the sends that were taken, and of those that were given up. */
  readonly taken: number[] = []
  readonly givenUp: number[] = []
  readonly #sink: KafkaSink
  readonly #answers: Promise<Answer>[] = []

  private constructor(ackTimeoutMs: number, waitingMax: number) {
    const [host = '', port] = kafka.brokers.split(':')
    this.#sink = new KafkaSink({
      connection: { brokers: [{ host, port: Number(port) }], tls: undefined, sasl: undefined },
      topic: this.topic.name,
      clock: { now: () => Date.now() },
      waitingMax,
      sendMax: 5_000,
      ackTimeoutMs,
      observe: (clicks, isTaken) => void (isTaken ? this.taken : this.givenUp).push(clicks),
    })
  }

  static async open(ackTimeoutMs: number, waitingMax = 100_000): Promise<Ledger> {
    const ledger = new Ledger(ackTimeoutMs, waitingMax)
    await ledger.topic.create(PARTITIONS)
    ledger.#sink.open(PARTITIONS)
    return ledger
  }

  append(): Promise<Answer> {
    const bannerId = this.#answers.length + 1
    const answer = this.#sink.append({ bannerId, tally: 'click', at: Date.now() }).then(
      () => 'acknowledged' as const,
      (error: unknown) => {
        if (!(error instanceof AppError)) throw error
        return error.code as Answer
      },
    )
    this.#answers.push(answer)
    return answer
  }

  async appendFor(ms: number): Promise<void> {
    for (const end = performance.now() + ms; performance.now() < end; await pause(PACE_MS)) {
      for (let some = 0; some < CLICKS_AT_ONCE; some += 1) void this.append()
    }
  }

  /** Tries until one is acknowledged, as callers do. */
  async untilAcknowledged(): Promise<void> {
    await until('a click is acknowledged', async () => (await this.append()) === 'acknowledged')
  }

  /** How often each answer was given, once all are; each acknowledged click is in the topic once. */
  async check(): Promise<Readonly<Record<Answer, number>>> {
    const answers = await Promise.all(this.#answers)
    const written = new Map<number, number>()
    for (const { value } of await this.topic.read()) {
      const { bannerID } = JSON.parse(value) as { bannerID: number } // as the sink wrote it
      written.set(bannerID, (written.get(bannerID) ?? 0) + 1)
    }
    const counts = { acknowledged: 0, overloaded: 0, store_unavailable: 0 }
    const wrong: string[] = []
    for (const [index, answer] of answers.entries()) {
      counts[answer] += 1
      const times = written.get(index + 1) ?? 0
      const isRight =
        answer === 'acknowledged' ? times === 1 : times <= (answer === 'overloaded' ? 0 : 1)
      if (!isRight) wrong.push(`click ${index + 1} was ${answer} and is there ${times} times`)
    }
    assert.deepEqual(wrong, [])
    return counts
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sink[Symbol.asyncDispose]()
    await this.topic[Symbol.asyncDispose]()
  }
}

test('I14: three hangs of the broker cost no click and double none', NEEDS_KAFKA, async () => {
  await using ledger = await Ledger.open(60_000)
  await ledger.appendFor(BETWEEN_MS)
  for (let hang = 0; hang < HANGS; hang += 1) {
    kafka.freeze()
    await ledger.appendFor(HANG_MS)
    kafka.thaw()
    await ledger.appendFor(BETWEEN_MS)
  }
  const { acknowledged, overloaded, store_unavailable: unavailable } = await ledger.check()
  assert.ok(acknowledged > 1_000, `too few clicks: ${acknowledged}`)
  assert.deepEqual([overloaded, unavailable, ledger.givenUp], [0, 0, []])
})

test('what waits while one send is under way is the next one', NEEDS_KAFKA, async () => {
  await using ledger = await Ledger.open(60_000)
  await ledger.untilAcknowledged()
  ledger.taken.length = 0
  kafka.freeze()
  void ledger.append()
  await pause(BETWEEN_MS)
  for (let click = 0; click < 100; click += 1) void ledger.append()
  await pause(PACE_MS)
  for (let click = 0; click < 100; click += 1) void ledger.append()
  await pause(PACE_MS)
  kafka.thaw()
  await ledger.check()
  assert.deepEqual(ledger.taken, [1, 200])
})

test(
  'I4: a hang longer than all that is tried ends in refusals, and in acknowledgements after it',
  NEEDS_KAFKA,
  async () => {
    await using ledger = await Ledger.open(1_500, WAITING_MAX)
    await ledger.untilAcknowledged()
    kafka.freeze()
    const answers = Array.from({ length: WAITING_MAX + 10 }, () => ledger.append())
    // All of them while the broker hangs.
    const refused = await Promise.all(answers)
    assert.deepEqual(
      refused.map((answer) => answer === 'overloaded'),
      refused.map((_, index) => index >= WAITING_MAX),
    )
    await until('the send is given up', async () => {
      await ledger.append()
      return ledger.givenUp.length > 0
    })
    kafka.thaw()
    await ledger.untilAcknowledged()
    for (let click = 0; click < WAITING_MAX; click += 1) await ledger.append()
    const { acknowledged, overloaded } = await ledger.check()
    assert.ok(acknowledged > WAITING_MAX && overloaded >= 10)
  },
)

test(
  'I4: a broker that is dead costs refusals, and acknowledgements come back with it',
  NEEDS_KAFKA,
  async () => {
    await using ledger = await Ledger.open(1_500)
    await ledger.untilAcknowledged()
    for (let round = 0; round < 2; round += 1) {
      const appending = ledger.appendFor(BETWEEN_MS)
      await pause(BETWEEN_MS / 2)
      await kafka.kill()
      await appending
      assert.equal(await ledger.append(), 'store_unavailable')
      await kafka.start()
      await ledger.untilAcknowledged()
    }
    const { acknowledged, store_unavailable: unavailable } = await ledger.check()
    assert.ok(acknowledged > 0 && unavailable > 0)
  },
)
