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
