import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import { watchTopic } from '../../../src/log/kafka/watch-topic.ts'
import { FakeLog, FakePartitions } from '../../support/fake-partitions.ts'

const DEADLINE_MS = 10_000
const POLL_MS = 20

test('a topic that was closed meanwhile is opened again before clicks go on', async (t) => {
  const topic = new FakeLog(2, () => 0)
  const store = new ClosablePartitions(topic, () => 0, { weather: [], told: [] })
  const stop = new AbortController()
  t.after(() => stop.abort())
  const opened: number[] = []
  const sink = {
    open: (partitions: number) => void opened.push(partitions),
    doubt: () => {},
    refuse: () => {},
  }
  const watching = watchTopic(
    { topic, store, sink, member: 'this process', observe: () => {}, tell: () => {} },
    stop.signal,
  )
  await until(() => opened.length > 0)
  assert.ok(store.isOpen)
  store.isOpen = false // as a service without Kafka does, to which this process looked gone
  const before = opened.length
  await until(() => opened.length > before)
  assert.ok(store.isOpen, 'clicks go to partitions that nobody counts')
  assert.equal(opened.at(-1), 2)
  stop.abort()
  await watching
})

test('I17: clicks are refused while the log is said to end before what was counted', async (t) => {
  const topic = new DeposedLog(1, () => 0)
  const store = new FakePartitions(topic, () => 0, { weather: [], told: [] })
  store.next[0] = 1n
  const stop = new AbortController()
  t.after(() => stop.abort())
  const said: string[] = []
  const sink = {
    open: () => void said.push('open'),
    doubt: (trouble: string) => void said.push(trouble),
    refuse: (reason: string) => void said.push(reason),
  }
  const parts = { topic, store, sink, member: 'this process', observe: () => {}, tell: () => {} }
  const watching = watchTopic(parts, stop.signal)
  topic.staleEnds = 2 // that of the opening, and one look
  await until(() => said.length > 1)
  assert.match(said[0] ?? '', /partition 0 ends at offset 0, and 1 is counted/)
  assert.equal(said[1], 'open')
  stop.abort()
  await watching
})

class DeposedLog extends FakeLog {
  /** How many answers are still those of a broker that was deposed before the only record came. */
  staleEnds = 0

  override async ends() {
    return (await super.ends()).map(() => (this.staleEnds-- > 0 ? 0n : 1n))
  }
}

class ClosablePartitions extends FakePartitions {
  isOpen = false

  override async openPartitions(): Promise<void> {
    await super.openPartitions()
    this.isOpen = true
  }

  override async readPartitions() {
    const partitions = await super.readPartitions()
    return this.isOpen ? partitions : []
  }
}

async function until(isSo: () => boolean): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS
  while (!isSo()) {
    assert.ok(performance.now() < deadline, 'it takes too long')
    await pause(POLL_MS)
  }
}
