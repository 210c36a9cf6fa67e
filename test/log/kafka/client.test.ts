import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { PartitionReader } from '../../../src/log/kafka/reader.ts'
import { KafkaSink } from '../../../src/log/kafka/sink.ts'
import { KafkaTopic } from '../../../src/log/kafka/topic.ts'

test('a broker that resets connections while they log in ends no process', async () => {
  const broker = createServer((socket) => {
    socket.on('error', () => {})
    socket.once('data', () => socket.resetAndDestroy())
  })
  await once(broker.listen(0, '127.0.0.1'), 'listening')
  const { port } = broker.address() as AddressInfo // of a TCP server that listens
  const connection = {
    brokers: [{ host: '127.0.0.1', port }],
    tls: undefined,
    sasl: { mechanism: 'PLAIN', username: 'somebody', password: 'secret' } as const,
  }
  await using building = new AsyncDisposableStack()
  building.defer(() => void broker.close())
  const name = 'clicks'
  const topic = building.use(
    new KafkaTopic({ connection, topic: name, partitions: 1, replication: 1 }),
  )
  const reader = building.use(new PartitionReader(connection, name))
  const clock = { now: () => 1_000 }
  const sink = building.use(
    new KafkaSink({
      connection,
      topic: name,
      clock,
      waitingMax: 1,
      sendMax: 1,
      ackTimeoutMs: 5_000,
    }),
  )
  sink.open(1)
  const away = { code: 'store_unavailable' }
  await Promise.all([
    assert.rejects(sink.append({ bannerId: 1, tally: 'click', at: 1_000 }), away),
    assert.rejects(topic.describe(), away),
    assert.rejects(topic.create(), away),
    assert.rejects(reader.fetch(1, '', new Map([[0, 0n]])), away),
  ])
})
