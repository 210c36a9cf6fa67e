// The topic as it is, read back by an ordinary consumer.
import { randomUUID } from 'node:crypto'
import { Consumer, ListOffsetTimestamps, MessagesStreamModes } from '@platformatic/kafka'
import { bannerOfKey } from './callers.ts'
import { kafkaClient, TOPIC, type Cluster } from './cluster.ts'

const READ_TIMEOUT_MS = 600_000

/** Where a key stands in the log the first time, and whether it stands there again. */
interface Place {
  readonly partition: number
  readonly offset: number
  isSingle: boolean
}

export interface LogContent {
  /** By partition: the offset of the next record. */
  readonly ends: readonly bigint[]
  /** Records without key, by banner. */
  readonly unkeyed: ReadonlyMap<number, number>
  /** By the number of the key. */
  readonly keys: readonly (Place | undefined)[]
  readonly records: number
  readonly problems: readonly string[]
}

export async function logEnds(kafka: Cluster['kafka']): Promise<readonly bigint[]> {
  const consumer = consumerOf(kafka)
  await using _ = { [Symbol.asyncDispose]: () => consumer.close(true) }
  const ends = await consumer.listOffsets({
    topics: [TOPIC],
    timestamp: ListOffsetTimestamps.LATEST,
  })
  return ends.get(TOPIC) ?? []
}

export async function readLog(kafka: Cluster['kafka']): Promise<LogContent> {
  const ends = await logEnds(kafka)
  const consumer = consumerOf(kafka)
  await using _ = { [Symbol.asyncDispose]: () => consumer.close(true) }
  const stream = await consumer.consume({ topics: [TOPIC], mode: MessagesStreamModes.EARLIEST })
  const timeout = setTimeout(
    () => stream.destroy(new Error('the topic is not read to its end')),
    READ_TIMEOUT_MS,
  )
  const next = ends.map(() => 0n)
  const content = { unkeyed: new Map<number, number>(), keys: [] as (Place | undefined)[] }
  const problems: string[] = []
  let left = ends.reduce((sum, end) => sum + end, 0n)
  const records = Number(left)
  if (left > 0n) {
    for await (const { partition, offset, value } of stream) {
      const expected = next[partition] ?? 0n
      if (offset < expected) continue // a stream may give some twice
      if (offset > expected) problems.push(`the log of ${partition} jumps to ${offset}`)
      next[partition] = offset + 1n
      if (offset >= (ends[partition] ?? 0n)) problems.push(`the log of ${partition} still grows`)
      const problem = take(content, value, partition, Number(offset))
      if (problem !== undefined) problems.push(problem)
      left -= 1n
      if (left === 0n) break
    }
  }
  clearTimeout(timeout)
  return { ...content, ends, records, problems }
}

function take(
  { unkeyed, keys }: { unkeyed: Map<number, number>; keys: (Place | undefined)[] },
  value: Buffer,
  partition: number,
  offset: number,
): string | undefined {
  const record = JSON.parse(value.toString()) as { bannerID: number; key?: string } // docs/kafka.md
  if (record.key === undefined) {
    unkeyed.set(record.bannerID, (unkeyed.get(record.bannerID) ?? 0) + 1)
    return undefined
  }
  const number = Number(record.key.slice('key-'.length))
  if (bannerOfKey(number) !== record.bannerID) return `${record.key} counts another banner`
  const place = keys[number]
  if (place === undefined) keys[number] = { partition, offset, isSingle: true }
  else place.isSingle = false
  return undefined
}

function consumerOf(kafka: Cluster['kafka']): Consumer {
  return new Consumer({
    ...kafkaClient(kafka),
    groupId: `chaos-${randomUUID()}`,
    autocommit: false,
    retries: 20,
    retryDelay: 200,
    maxWaitTime: 500,
  })
}
