import { Admin, Consumer, FetchIsolationLevels, ListOffsetTimestamps } from '@platformatic/kafka'
import { OperatorError } from '../../errors.ts'
import { clientOptions, tolerant, untilClosed, type KafkaConnection } from './client.ts'
import { apiIdsOf, brokerAway, isTopicUnknown } from './failure.ts'

const GROUP = 'tallymark'
const REQUEST_TIMEOUT_MS = 2_000
const CONNECT_TIMEOUT_MS = 1_000

export interface TopicOptions {
  readonly connection: KafkaConnection
  readonly topic: string
  /** Of a topic that does not exist yet. */
  readonly partitions: number
  readonly replication: number
}

/** What the brokers say of the topic. */
export interface Description {
  /** A UUID. */
  readonly id: string
  /** The leading broker of each partition, by number. */
  readonly leaders: readonly number[]
}

/** What its users know of it. */
export type Topic = Pick<
  KafkaTopic,
  'name' | 'missingForMs' | 'describe' | 'create' | 'starts' | 'ends' | 'hint'
>

/**
 * The topic as a whole: whether it is there, where its partitions lead, begin and end. On connections of
 * its own, so that no answer waits behind that of a fetch. Its methods throw `store_unavailable` while
 * the brokers are away.
 */
export class KafkaTopic implements AsyncDisposable {
  readonly #options: TopicOptions
  readonly #client: Consumer
  readonly #admin: Admin
  #missingSince: number | undefined

  constructor(options: TopicOptions) {
    this.#options = options
    const client = {
      ...clientOptions(options.connection, 'tallymark-topic'),
      retries: 0,
      connectTimeout: CONNECT_TIMEOUT_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
    }
    this.#client = tolerant(
      new Consumer({
        ...client,
        groupId: GROUP,
        autocommit: false,
        // What is acknowledged, also beyond an open transaction of somebody else.
        isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
      }),
    )
    this.#admin = tolerant(new Admin(client))
  }

  get name(): string {
    return this.#options.topic
  }

  /** For how long the brokers have said that there is no such topic. */
  get missingForMs(): number {
    return this.#missingSince === undefined ? 0 : performance.now() - this.#missingSince
  }

  /** As the brokers have it now; undefined if there is no such topic. */
  async describe(): Promise<Description | undefined> {
    const { topic } = this.#options
    try {
      const { topics } = await this.#client.metadata({ topics: [topic], forceUpdate: true })
      const found = topics.get(topic)
      this.#missingSince = undefined
      return found && { id: found.id, leaders: found.partitions.map(({ leader }) => leader) }
    } catch (error) {
      if (isTopicUnknown(error)) {
        this.#missingSince ??= performance.now()
        return undefined
      }
      throw brokerAway(error)
    }
  }

  /** Makes the topic; another process may do the same at this moment. */
  async create(): Promise<void> {
    const { topic, partitions, replication } = this.#options
    try {
      await this.#admin.createTopics({ topics: [topic], partitions, replicas: replication })
    } catch (error) {
      const ids = apiIdsOf(error)
      if (ids.includes('TOPIC_ALREADY_EXISTS')) return
      if (ids.some((id) => REFUSALS.includes(id))) {
        throw new OperatorError(
          `The topic ${topic} with ${partitions} partitions and ${replication} replicas cannot be made (${ids.join(', ')}). Set KAFKA_PARTITIONS and KAFKA_REPLICATION to what the brokers can do, or make the topic yourself.`,
          { cause: error },
        )
      }
      throw brokerAway(error)
    }
  }

  /** The offsets that the next records of the partitions will get, by number. */
  ends(): Promise<readonly bigint[]> {
    return this.#offsets(ListOffsetTimestamps.LATEST)
  }

  /** The offsets of the oldest records that are still there, by number. */
  starts(): Promise<readonly bigint[]> {
    return this.#offsets(ListOffsetTimestamps.EARLIEST)
  }

  /**
   * A leader that has just been elected may not know yet how far the log was acknowledged; asked
   * like this it says so (KIP-207), while the end that comes with a fetch may be too low.
   */
  async #offsets(timestamp: bigint): Promise<readonly bigint[]> {
    const { topic } = this.#options
    try {
      const offsets = await this.#client.listOffsets({ topics: [topic], timestamp })
      return offsets.get(topic) ?? []
    } catch (error) {
      throw brokerAway(error)
    }
  }

  /** Tells Kafka's tools how far the partitions are counted. A hint: nothing reads it back. */
  async hint(positions: readonly { readonly number: number; readonly next: bigint }[]) {
    await this.#admin.alterConsumerGroupOffsets({
      groupId: GROUP,
      topics: [
        {
          name: this.#options.topic,
          partitionOffsets: positions.map(({ number, next }) => ({
            partition: number,
            offset: next,
          })),
        },
      ],
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([untilClosed(this.#client.close(true)), untilClosed(this.#admin.close())])
  }
}

const REFUSALS = [
  'INVALID_REPLICATION_FACTOR',
  'INVALID_PARTITIONS',
  'POLICY_VIOLATION',
  'TOPIC_AUTHORIZATION_FAILED',
  'CLUSTER_AUTHORIZATION_FAILED',
]
