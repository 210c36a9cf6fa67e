// Topics of tests, each of its own name, made and changed as an operator would.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { Admin, Producer } from '@platformatic/kafka'
import { clientOptions, untilClosed, type KafkaConnection } from '../../src/log/kafka/client.ts'
import { KafkaTopic, type TopicOptions } from '../../src/log/kafka/topic.ts'
import { sharedBrokers } from './topic.ts'

const ATTEMPTS = 60
const INTERVAL_MS = 250

function connectionTo(brokers = sharedBrokers()): KafkaConnection {
  return {
    brokers: brokers.split(',').map((place) => {
      const [host = '', port] = place.split(':')
      return { host, port: Number(port) }
    }),
    tls: undefined,
    sasl: undefined,
  }
}

/** A topic that nobody else has; it is not made yet. */
export function topicAt(brokers?: string): TopicOptions {
  const topic = `clicks-${randomUUID()}`
  return { connection: connectionTo(brokers), topic, partitions: 2, replication: 1 }
}

/** Returns its id, once brokers know all of it: they learn of it one after the other. */
export async function createTopic(
  options: TopicOptions,
  settings: Readonly<Record<string, string>> = {},
): Promise<string> {
  const { topic: name, partitions, replication: replicas } = options
  const configs = Object.entries(settings).map(([key, value]) => ({ name: key, value }))
  await administrate(options, (admin) =>
    admin.createTopics({ topics: [name], partitions, replicas, configs }),
  )
  await using topic = new KafkaTopic(options)
  for (let attempt = 1; ; attempt += 1) {
    try {
      const found = await topic.describe()
      if (found?.leaders.length === partitions) {
        await topic.ends()
        return found.id
      }
    } catch (error) {
      if (attempt === ATTEMPTS) throw error
    }
    assert.ok(attempt < ATTEMPTS, 'the topic cannot be seen')
    await pause(INTERVAL_MS)
  }
}

export async function deleteTopic(options: TopicOptions): Promise<void> {
  await administrate(options, (admin) => admin.deleteTopics({ topics: [options.topic] }))
  await using topic = new KafkaTopic(options)
  while ((await topic.describe()) !== undefined) await pause(INTERVAL_MS)
}

/** Deletes the records of a partition below an offset, as retention does. */
export async function deleteRecords(
  options: TopicOptions,
  partition: number,
  offset: bigint,
): Promise<void> {
  const partitions = [{ partition, offset }]
  await administrate(options, (admin) =>
    admin.deleteRecords({ topics: [{ name: options.topic, partitions }] }),
  )
}

/** Puts records into a partition, one after the other. */
export async function append(
  { connection, topic }: TopicOptions,
  partition: number,
  records: readonly string[],
): Promise<void> {
  const producer = new Producer<Buffer>(clientOf(connection))
  const messages = records.map((value) => ({ topic, partition, value: Buffer.from(value) }))
  await producer.send({ acks: -1, messages })
  await untilClosed(producer.close())
}

async function administrate(
  { connection }: TopicOptions,
  work: (admin: Admin) => Promise<unknown>,
): Promise<void> {
  const admin = new Admin(clientOf(connection))
  await work(admin)
  await untilClosed(admin.close())
}

function clientOf(connection: KafkaConnection) {
  return { ...clientOptions(connection, 'test'), retries: 3, retryDelay: 200 }
}
