// A topic of a test as other programs see it: plain clients, nothing of ours.
import { randomUUID } from 'node:crypto'
import {
  Admin,
  Consumer,
  ListOffsetTimestamps,
  ProduceAcks,
  Producer,
  type BaseOptions,
  type CompressionAlgorithmValue,
} from '@platformatic/kafka'

const RETRIES = 400
const RETRY_DELAY_MS = 50
const FETCH_BYTES_MAX = 64 * 1_024 * 1_024

export interface PlainRecord {
  readonly partition: number
  readonly offset: bigint
  readonly value: string
}

export interface WriteOptions {
  readonly partition?: number
  readonly compression?: CompressionAlgorithmValue
}

/** Its name is one that no other test has; it is not made. */
export class PlainTopic implements AsyncDisposable {
  readonly name = `test-${randomUUID()}`
  readonly #options: BaseOptions
  readonly #admin: Admin
  readonly #producer: Producer
  readonly #consumer: Consumer

  constructor(brokers: string) {
    this.#options = {
      clientId: 'test',
      bootstrapBrokers: brokers.split(','),
      retries: RETRIES,
      retryDelay: RETRY_DELAY_MS,
    }
    this.#admin = new Admin(this.#options)
    this.#producer = new Producer(this.#options)
    this.#consumer = new Consumer({ ...this.#options, groupId: this.name, autocommit: false })
  }

  async create(partitions: number): Promise<void> {
    await this.#admin.createTopics({ topics: [this.name], partitions, replicas: 1 })
    await this.ends()
  }

  async delete(): Promise<void> {
    await this.#admin.deleteTopics({ topics: [this.name] })
  }

  /** To so many partitions. */
  async grow(count: number): Promise<void> {
    await this.#admin.createPartitions({ topics: [{ name: this.name, count, assignments: null }] })
  }

  /** As retention does: the records of a partition below an offset. */
  async forget(partition: number, offset: bigint): Promise<void> {
    const partitions = [{ partition, offset }]
    await this.#admin.deleteRecords({ topics: [{ name: this.name, partitions }] })
  }

  /** In one batch. */
  async write(
    values: readonly (string | Buffer | undefined)[],
    { partition = 0, compression = 'none' }: WriteOptions = {},
  ): Promise<void> {
    await this.#producer.send({
      messages: this.#messages(values, partition),
      acks: ALL,
      compression,
    })
  }

  /** In one transaction, which is committed or aborted. */
  async writeInTransaction(
    values: readonly string[],
    end: 'commit' | 'abort',
    partition = 0,
  ): Promise<void> {
    const producer = new Producer({
      ...this.#options,
      transactionalId: randomUUID(),
      idempotent: true,
    })
    const transaction = await producer.beginTransaction()
    await transaction.send({ messages: this.#messages(values, partition), acks: ALL })
    await transaction[end]()
    await producer.close(true)
  }

  #messages(values: readonly (string | Buffer | undefined)[], partition: number) {
    return values.map((value) => ({
      topic: this.name,
      partition,
      ...(value !== undefined && { value: Buffer.from(value) }),
    }))
  }

  /** The offsets that the next records will get, by partition. */
  async ends(): Promise<readonly bigint[]> {
    const timestamp = ListOffsetTimestamps.LATEST
    return (
      (await this.#consumer.listOffsets({ topics: [this.name], timestamp })).get(this.name) ?? []
    )
  }

  /** All that is in it. */
  async read(): Promise<readonly PlainRecord[]> {
    this.#consumer.topics.track(this.name)
    const ends = await this.ends()
    const found: PlainRecord[] = []
    for (const [partition, end] of ends.entries()) {
      for (let next = 0n; next < end;) {
        for (const record of await this.#fetch(partition, next)) {
          if (record.offset < next) continue
          found.push(record)
          next = record.offset + 1n
        }
      }
    }
    return found
  }

  async #fetch(partition: number, fetchOffset: bigint): Promise<readonly PlainRecord[]> {
    const { topics } = await this.#consumer.metadata({ topics: [this.name] })
    const topic = topics.get(this.name)
    const { responses } = await this.#consumer.fetch({
      node: topic?.partitions[partition]?.leader ?? -1,
      maxBytes: FETCH_BYTES_MAX,
      topics: [
        {
          topicId: topic?.id ?? '',
          partitions: [
            {
              partition,
              fetchOffset,
              partitionMaxBytes: FETCH_BYTES_MAX,
              currentLeaderEpoch: -1,
              lastFetchedEpoch: -1,
            },
          ],
        },
      ],
    })
    return responses
      .flatMap(({ partitions }) => partitions)
      .flatMap(({ records }) => records ?? [])
      .flatMap(({ firstOffset, records }) =>
        records.map(({ offsetDelta, value }) => ({
          partition,
          offset: firstOffset + BigInt(offsetDelta),
          value: Buffer.from(value ?? []).toString(),
        })),
      )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled([
      this.#admin.close(),
      this.#producer.close(true),
      this.#consumer.close(true),
    ])
  }
}

const ALL = ProduceAcks.ALL
