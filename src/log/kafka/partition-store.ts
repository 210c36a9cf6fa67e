/** A partition of the topic, as the store has it. */
export interface StoredPartition {
  readonly number: number
  /** The topic's id when it was opened, a UUID: another one means that it was deleted and made anew. */
  readonly topicId: string
  /** The offset of the next record to count. */
  readonly next: bigint
  /** Everything acknowledged before this instant is counted. Unix milliseconds of the shared clock. */
  readonly completeUntil: number
}

/** Everything that was acknowledged before `instant` lies below `end`, where the log ended after it. */
export interface Mark {
  readonly number: number
  readonly end: bigint
  readonly instant: number
}

export interface Leases {
  /** The shared clock before the answer was given. */
  readonly instant: number
  /** How many processes share the partitions, this one among them. */
  readonly members: number
  /** How many partitions of the topic are open. */
  readonly partitions: number
  /** Those that this process should count, and where to go on. */
  readonly owned: readonly { readonly number: number; readonly next: bigint }[]
}

/**
 * What the Kafka log asks of the store: where each partition is counted from, and by whom. Contract
 * (test/store/partitions.test.ts):
 * - Positions are moved by `CountStore.commit` alone. A lease only keeps two processes from doing the
 *   same work.
 * - Every method throws `store_unavailable` while the store is away.
 */
export interface PartitionStore {
  /**
   * Registers the partitions of a topic. The first time they begin at `starts`, by number, and are not
   * complete before what lies below `ends` is counted; those that come later begin at 0. Throws an OperatorError with exit code 3 if the topic's id is not the stored one, and
   * with 1 if another topic has not been counted to its end.
   */
  openPartitions(
    topic: string,
    topicId: string,
    starts: readonly bigint[],
    ends: readonly bigint[],
  ): Promise<void>
  /** All that are open, by number; none before the first `openPartitions`. */
  readPartitions(topic: string): Promise<readonly StoredPartition[]>
  /** Raises `completeUntil` where marks are reached, renews leases for `leaseMs`, and takes or gives back some. */
  renewLeases(
    topic: string,
    member: string,
    leaseMs: number,
    marks: readonly Mark[],
  ): Promise<Leases>
  /** Gives all leases of a process back at once. */
  releaseLeases(member: string): Promise<void>
  /**
   * Says that a process puts clicks into the log: before it reads which partitions are open, as it
   * appends to no others, and again every few seconds. A minute after it last did it is taken for gone,
   * and the log may be called drained: an api that reaches only the brokers goes on all the same, since a
   * store that is away must not keep clicks from being taken. With `lastAppendAt`
   * (Unix milliseconds of the shared clock) it says that it has ended, and when the log last took a click
   * of it; 0 if never.
   */
  announceApi(member: string, lastAppendAt?: number): Promise<void>
}
