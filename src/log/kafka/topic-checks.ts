// Pure: what was found of a topic to the lines of `tallymark doctor`.
import { fail, ok, warn, type Check } from '../../check.ts'
import { HOUR_MS, MINUTE_MS } from '../../minute.ts'
import type { StoredPartition } from './partition-store.ts'

export interface FoundTopic {
  readonly name: string
  /** A UUID. */
  readonly id: string
  /** Of the cluster. */
  readonly brokers: number
  readonly partitions: readonly FoundPartition[]
  /** By name, with the defaults; undefined if they may not be read. */
  readonly settings: ReadonlyMap<string, string> | undefined
}

export interface FoundPartition {
  readonly number: number
  readonly hasLeader: boolean
  readonly replicas: number
  readonly inSync: number
}

/** The offsets of the oldest record, and of the next one to come. */
export interface LogRange {
  readonly start: bigint
  readonly end: bigint
}

/** What the store says of the open partitions. */
export interface StoredLog {
  readonly partitions: readonly StoredPartition[]
  readonly drain: DrainState
}

/** Whether nothing can come any more that is not counted: 'none' if no partition is open. */
export interface DrainState {
  readonly state: 'none' | 'drained' | 'open'
  /** Why it is not drained. */
  readonly reason?: string
}

/** Friday evening to Monday evening: nobody counts, and nobody looks. */
const OUTAGE_MS = 72 * HOUR_MS
/** Less does not survive an upgrade of the database. */
const RETENTION_MS_MIN = HOUR_MS
const RETENTION_BYTES = 2 ** 30
const RECORD_BYTES = 150
const LAG_MS_MAX = MINUTE_MS

/** Not made yet. */
export function missingTopicCheck(
  topic: { readonly topic: string; readonly partitions: number; readonly replication: number },
  brokers: number,
  stored: readonly StoredPartition[],
): Check {
  const { topic: name, partitions, replication } = topic
  if (stored.length > 0) {
    return fail(
      'topic',
      `${name} is not there, though ${stored.length} partitions of it were counted`,
      'correct KAFKA_BROKERS or KAFKA_TOPIC; if it was deleted, "tallymark positions reset" begins anew',
    )
  }
  const made = `${name} will be created with ${partitions} partitions, ${copiesOf(replication)}`
  return replication > brokers
    ? fail('topic', made, `set KAFKA_REPLICATION to at most ${brokers}, or start more brokers`)
    : ok('topic', made)
}

export function topicChecks(
  topic: FoundTopic,
  stored: readonly StoredPartition[],
  keyRetentionMs: number,
): Check[] {
  return [
    identityCheck(topic, stored),
    leadersCheck(topic),
    replicationCheck(topic),
    ...settingsChecks(topic, keyRetentionMs),
  ]
}

function identityCheck({ name, id, partitions }: FoundTopic, stored: readonly StoredPartition[]) {
  const remedy =
    'restore it, or run "tallymark positions reset", which goes on with what is there and says what was never counted'
  if (stored.some(({ topicId }) => topicId !== id)) {
    return fail('topic', `${name} was deleted and made anew since it was counted`, remedy)
  }
  if (partitions.length < stored.length) {
    const found = `${name} has ${partitions.length} partitions, and ${stored.length} were counted`
    return fail('topic', found, remedy)
  }
  return ok('topic', `${name}, ${partitions.length} partitions`)
}

function leadersCheck({ partitions }: FoundTopic): Check {
  const without = partitions.filter(({ hasLeader }) => !hasLeader)
  return without.length === 0
    ? ok('leaders', 'every partition has one')
    : fail(
        'leaders',
        `partition ${numbersOf(without)} has none: no click of it can be taken or counted`,
        'start the brokers that hold it',
      )
}

function replicationCheck({ partitions, brokers }: FoundTopic): Check {
  const least = Math.min(...partitions.map(({ replicas }) => replicas))
  if (least === 1) {
    return brokers === 1
      ? ok('replication', 'one copy, on the one broker there is: what its disk loses is lost')
      : warn(
          'replication',
          `one copy, though there are ${brokers} brokers: with one of them clicks are lost`,
          'raise the replication factor with kafka-reassign-partitions.sh',
        )
  }
  const behind = partitions.filter(({ inSync, replicas }) => inSync < replicas)
  return behind.length === 0
    ? ok('replication', copiesOf(least))
    : warn(
        'replication',
        `${copiesOf(least)}, but partition ${numbersOf(behind)} lacks some at the moment`,
        'start the brokers that are missing, or see why they fall behind',
      )
}

function settingsChecks(topic: FoundTopic, keyRetentionMs: number): Check[] {
  const { settings } = topic
  if (settings === undefined) {
    return [
      warn(
        'settings',
        `those of ${topic.name} may not be read`,
        'allow KAFKA_USERNAME to describe the configuration of the topic',
      ),
    ]
  }
  return [
    inSyncCheck(topic, settings),
    electionsCheck(topic, settings),
    cleanupCheck(settings),
    retentionCheck(settings, keyRetentionMs),
  ]
}

function inSyncCheck({ partitions }: FoundTopic, settings: ReadonlyMap<string, string>): Check {
  const needed = Number(settings.get('min.insync.replicas') ?? 1)
  const least = Math.min(...partitions.map(({ replicas }) => replicas))
  const found = `min.insync.replicas = ${needed}`
  if (needed > least) {
    const remedy = `set it to at most ${Math.max(1, least - 1)} with kafka-configs.sh, or raise the replication factor`
    return fail('in sync', `${found}, with ${copiesOf(least)}: no click can be taken`, remedy)
  }
  const short = partitions.filter(({ inSync, hasLeader }) => hasLeader && inSync < needed)
  if (short.length > 0) {
    const where = `partition ${numbersOf(short)} has fewer: no click can be put there`
    return fail('in sync', `${found}, and ${where}`, 'start the brokers that are missing')
  }
  if (least > 1 && needed === 1) {
    return warn(
      'in sync',
      `${found}: an acknowledged click may be on one broker only`,
      'set min.insync.replicas = 2 with kafka-configs.sh',
    )
  }
  return ok('in sync', found)
}

function electionsCheck({ partitions }: FoundTopic, settings: ReadonlyMap<string, string>): Check {
  const isUnclean = settings.get('unclean.leader.election.enable') === 'true'
  const found = `unclean.leader.election.enable = ${isUnclean}`
  return isUnclean && partitions.some(({ replicas }) => replicas > 1)
    ? warn(
        'elections',
        `${found}: a broker that lacks acknowledged clicks may become the leader, and they are lost`,
        'set it to false with kafka-configs.sh',
      )
    : ok('elections', found)
}

function cleanupCheck(settings: ReadonlyMap<string, string>): Check {
  const found = `cleanup.policy = ${settings.get('cleanup.policy') ?? 'delete'}`
  return found.includes('compact')
    ? fail(
        'cleanup',
        `${found}: such a topic takes no records of this service, or drops some of others`,
        'set cleanup.policy = delete with kafka-configs.sh',
      )
    : ok('cleanup', found)
}

/** Kafka deletes by age and size, counted or not. */
function retentionCheck(settings: ReadonlyMap<string, string>, keyRetentionMs: number): Check {
  const ms = Number(settings.get('retention.ms') ?? -1)
  const bytes = Number(settings.get('retention.bytes') ?? -1)
  const found = `retention.ms = ${ms}${ms < 0 ? '' : ` (${hoursOf(ms)} h)`}, retention.bytes = ${bytes}`
  const wantedMs = Math.max(OUTAGE_MS, keyRetentionMs)
  if (ms >= 0 && ms < wantedMs) {
    const what = `${found}: clicks that nobody counts for longer are lost`
    const remedy = `set retention.ms to ${wantedMs} (${hoursOf(wantedMs)} h: a long weekend, and KEY_RETENTION_HOURS) or more with kafka-configs.sh`
    return ms < RETENTION_MS_MIN ? fail('retention', what, remedy) : warn('retention', what, remedy)
  }
  if (bytes >= 0 && bytes < RETENTION_BYTES) {
    return warn(
      'retention',
      `${found}: of more than about ${Math.floor(bytes / RECORD_BYTES)} clicks of a partition that wait, the oldest are lost`,
      'set retention.bytes = -1 with kafka-configs.sh',
    )
  }
  return ok('retention', found)
}

/** Whether all is counted. `ranges` by number, and no older than the positions. */
export function countedCheck(
  { partitions: stored, drain }: StoredLog,
  ranges: readonly LogRange[],
  options: { readonly now: number; readonly tickerMinutes: number | undefined },
): Check {
  const nexts = ranges.map(
    ({ start }, number) => stored.find((each) => each.number === number)?.next ?? start,
  )
  const lost = ranges.flatMap(({ start, end }, number) => {
    const next = nexts[number] ?? start
    if (next < start)
      return [`${next} to ${start - 1n} of partition ${number} were deleted uncounted`]
    return next > end ? [`partition ${number} ends at ${end}, and is counted up to ${next}`] : []
  })
  if (lost.length > 0) {
    const remedy = 'run "tallymark positions reset", which says what was never counted, and goes on'
    return fail('counted', `offsets ${lost.join('; ')}`, remedy)
  }
  const waiting = ranges.reduce((sum, { end }, number) => sum + end - (nexts[number] ?? end), 0n)
  if (waiting === 0n) {
    const all = 'everything in the log is counted'
    return ok(
      'counted',
      drain.state === 'open' ? `${all}; not drained, as ${drain.reason}` : `drained: ${all}`,
    )
  }
  const found = waitingText(waiting)
  const completeUntil = Math.min(...stored.map((each) => each.completeUntil))
  const lagMsMax = LAG_MS_MAX + (options.tickerMinutes ?? 0) * MINUTE_MS
  if (stored.length > 0 && options.now - completeUntil <= lagMsMax) return ok('counted', found)
  const since =
    stored.length === 0 ? 'none was ever counted' : `complete until ${isoOf(completeUntil)}`
  return warn('counted', `${found}; ${since}`, 'start a process with ROLE=all or ROLE=aggregator')
}

export function waitingText(records: bigint): string {
  return records === 1n ? '1 record is waiting' : `${records} records are waiting`
}

function isoOf(instant: number): string {
  return new Date(instant).toISOString()
}

function copiesOf(replicas: number): string {
  return replicas === 1 ? 'one copy of each' : `${replicas} copies of each`
}

function numbersOf(partitions: readonly FoundPartition[]): string {
  return partitions.map(({ number }) => number).join(', ')
}

function hoursOf(ms: number): number {
  return Math.round((ms / HOUR_MS) * 10) / 10
}
