import { Consumer, FetchIsolationLevels, type RecordsBatch } from '@platformatic/kafka'
import { clientOptions, tolerant, untilClosed, type KafkaConnection } from './client.ts'
import { brokerAway } from './failure.ts'

const MAX_WAIT_MS = 100
const CONNECT_TIMEOUT_MS = 1_000
const REQUEST_TIMEOUT_MS = 3_000
/** Of one partition and one fetch: what they hold is in memory, several times over, until it is counted. */
const PARTITION_BYTES_MAX = 256 * 1_024
const FETCH_BYTES_MAX = 1_024 * 1_024

/** Records of a partition, from the offset that was asked for or a little before. */
export interface Fetched {
  readonly number: number
  readonly batches: readonly RecordsBatch[]
}

/**
 * Reads partitions from the offsets that it is told: it joins no group, and holds nothing between two
 * fetches, so there is nothing that could be stale.
 */
export class PartitionReader implements AsyncDisposable {
  readonly #client: Consumer

  constructor(connection: KafkaConnection, topic: string) {
    this.#client = tolerant(
      new Consumer({
        ...clientOptions(connection, 'tallymark-aggregator'),
        groupId: 'tallymark',
        autocommit: false,
        retries: 0,
        connectTimeout: CONNECT_TIMEOUT_MS,
        requestTimeout: REQUEST_TIMEOUT_MS,
        minBytes: 1,
        maxWaitTime: MAX_WAIT_MS,
        maxBytes: FETCH_BYTES_MAX,
        isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED,
      }),
    )
    this.#client.topics.track(topic) // a fetch finds the topic's name by its id only among these
  }

  /**
   * One fetch from a broker that leads `wanted`, partitions by number with the offset to begin at. Waits
   * up to 100 ms for the first record. Throws `store_unavailable` while the broker is away; its cause
   * has the broker's reasons.
   */
  async fetch(
    leader: number,
    topicId: string,
    wanted: ReadonlyMap<number, bigint>,
  ): Promise<readonly Fetched[]> {
    const partitions = Array.from(wanted, ([partition, fetchOffset]) => ({
      partition,
      fetchOffset,
      partitionMaxBytes: PARTITION_BYTES_MAX,
      currentLeaderEpoch: -1,
      lastFetchedEpoch: -1,
    }))
    try {
      const { responses } = await this.#client.fetch({
        node: leader,
        topics: [{ topicId, partitions }],
      })
      return responses
        .flatMap((topic) => topic.partitions)
        .map(({ partitionIndex, records }) => ({ number: partitionIndex, batches: records ?? [] }))
    } catch (error) {
      throw brokerAway(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await untilClosed(this.#client.close(true))
  }
}
