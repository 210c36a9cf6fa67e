// Faults under load, one round after the other; at the end everything must add up. The system test
// runs each kind once, `npm run soak` as many rounds as it is told.
import { setTimeout as pause } from 'node:timers/promises'
import { runSql } from '../../support/database.ts'
import { Callers } from './callers.ts'
import { startCluster, type Cluster } from './cluster.ts'
import { kindsFor, KINDS, type FaultContext, type KindName } from './faults.ts'
import { logEnds, readLog } from './log.ts'
import { randomOf, shuffled } from './random.ts'
import { judge, unequalTables, type Sums } from './verdict.ts'
import { Witness } from './witness.ts'

const APIS = 2
const AGGREGATORS = 3
const QUIET_MIN_MS = 300
const QUIET_SPREAD_MS = 1_000
/** Of a second fault, after the first one began. */
const SECOND_SPREAD_MS = 2_000
const TWO_AT_ONCE = 'two at once'
/** Ten times what it should take. */
const RECOVERY_TIMEOUT_MS = 60_000
const DRAIN_TIMEOUT_MS = 120_000
const POLL_MS = 100
/** What was given up may still arrive in the log. */
const LATE_MS = 3_000

export interface ChaosOptions {
  readonly rounds: number
  readonly seed: number
  readonly perSecond: number
  /** One, or several, which are then reached by TLS and passwords. */
  readonly brokers: number
  /** Only faults of this kind. */
  readonly only?: string | undefined
  /** Told after each round. */
  readonly observe?: (round: Round) => void
}

export interface Round {
  readonly number: number
  readonly kind: string
  readonly kinds: readonly KindName[]
  /** How long the fault itself took, with the restart of what it ended. */
  readonly faultMs: number
  /** For how long the worst partition was not counted. */
  readonly stallMs: number
  /** For how long no click was acknowledged. */
  readonly silenceMs: number
  /** Clicks that were answered other than 200, and those that were not answered. */
  readonly refused: number
  readonly unanswered: number
  /** How long a process took to stop when it was told to. */
  readonly stopMs: number | undefined
  /** From the fault's begin until all was as before. */
  readonly recoveredMs: number
}

export interface ChaosReport {
  readonly rounds: readonly Round[]
  readonly problems: readonly string[]
  readonly sums: Sums | undefined
  /** Answers other than 200, by code. */
  readonly refused: ReadonlyMap<string, number>
  /** Answers whose completeUntil was held against what callers knew. */
  readonly answers: number
  readonly lagMs: readonly number[]
  /** Resident memory of each process at the end, in MiB. */
  readonly memory: ReadonlyMap<string, number>
  readonly partitions: number
  /** What the processes printed last, if something is wrong. */
  readonly logs: string
}

export async function runChaos(options: ChaosOptions): Promise<ChaosReport> {
  const { seed, perSecond, brokers, observe } = options
  const random = randomOf(seed)
  await using cluster = await startCluster({
    brokers,
    apis: APIS,
    aggregators: AGGREGATORS,
  })
  const origins = cluster.of('api').map(({ origin }) => origin)
  using callers = new Callers({ origins, perSecond, random: randomOf(seed + 1) })
  const witness = new Witness(origins, callers)
  const done: Round[] = []
  const problems: string[] = []
  let sums: Sums | undefined
  let memory = new Map<string, number>()
  let where = 'before the first fault'
  try {
    const plan = planOf(options, random)
    for (const [index, kinds] of plan.entries()) {
      where = `round ${index + 1}: ${kinds.join(' and ')}`
      const round = await runRound({ cluster, callers, random, index, kinds, problems })
      done.push(round)
      observe?.(round)
      problems.push(...witness.problems, ...cluster.members.flatMap((each) => each.problems))
      if (problems.length > 0) break
    }
    if (problems.length === 0) where = 'at the end'
    await callers.finish(DRAIN_TIMEOUT_MS)
    await drained(cluster)
    await witness.stop()
    const log = await readLog(cluster.kafka)
    const verdict = await judge({ cluster, callers, witness, log })
    sums = verdict.sums
    problems.push(...verdict.problems, ...witness.problems)
    memory = new Map(cluster.members.map((each) => [each.name, each.memory]))
    problems.push(...(await stopAll(cluster)))
  } catch (error) {
    problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error))
  }
  await witness.stop()
  return {
    rounds: done,
    problems: [...new Set(problems)].map((problem) => `${where}: ${problem}`),
    sums,
    refused: callers.refused,
    answers: witness.answers,
    lagMs: witness.lagMs,
    memory,
    partitions: cluster.partitions,
    logs: problems.length === 0 ? '' : cluster.members.map((each) => each.lastLines()).join('\n'),
  }
}

/** All kinds in a random order, then all again. */
function planOf({ rounds, only, brokers }: ChaosOptions, random: () => number): KindName[][] {
  const names = kindsFor(brokers)
  const kinds = [...names, TWO_AT_ONCE] as const
  const some = kinds.filter((kind) => only === undefined || kind === only)
  if (some.length === 0) throw new Error(`${only} is none of these: ${kinds.join(', ')}`)
  const plan: KindName[][] = []
  while (plan.length < rounds) {
    for (const kind of shuffled(some, random)) {
      plan.push(kind === TWO_AT_ONCE ? twoKinds(names, random) : [kind])
    }
  }
  return plan.slice(0, rounds)
}

/** Of different targets, so that neither undoes the other. */
function twoKinds(names: readonly KindName[], random: () => number): KindName[] {
  const kinds = shuffled(names, random).filter((kind) => targetOf(kind) !== 'everything')
  return kinds
    .filter((kind) => targetOf(kind) !== targetOf(kinds[0]))
    .slice(0, 1)
    .concat(kinds.slice(0, 1))
}

function targetOf(kind: KindName | undefined): string {
  return kind === undefined ? '' : KINDS[kind].target
}

interface RoundParts {
  readonly cluster: Cluster
  readonly callers: Callers
  readonly random: () => number
  readonly index: number
  readonly kinds: readonly KindName[]
  readonly problems: string[]
}

async function runRound(parts: RoundParts): Promise<Round> {
  const { cluster, callers, random, index, kinds, problems } = parts
  await pause(QUIET_MIN_MS + random() * QUIET_SPREAD_MS)
  callers.silence.take()
  const startedAt = Date.now()
  const before = callers.failures()
  let stopMs: number | undefined
  const context: FaultContext = {
    cluster,
    random,
    isAlone: kinds.length === 1,
    tell: (problem) => void problems.push(problem),
    observeStop: (ms) => (stopMs = ms),
  }
  await Promise.all(
    kinds.map(async (kind, place) => {
      if (place > 0) await pause(random() * SECOND_SPREAD_MS)
      await KINDS[kind].run(context)
    }),
  )
  const faultMs = Date.now() - startedAt
  const { trace, members, partitions } = cluster
  const whole = { partitions, aggregators: AGGREGATORS }
  await trace.untilCounted(whole, Date.now(), RECOVERY_TIMEOUT_MS)
  await Promise.all(members.map((member) => member.untilReady(RECOVERY_TIMEOUT_MS)))
  const after = callers.failures()
  return {
    number: index + 1,
    kind: kinds.length > 1 ? TWO_AT_ONCE : (kinds[0] ?? ''),
    kinds,
    faultMs,
    stallMs: await trace.stall(startedAt),
    silenceMs: callers.silence.take(),
    refused: after.refused - before.refused,
    unanswered: after.unanswered - before.unanswered,
    stopMs,
    recoveredMs: Date.now() - startedAt,
  }
}

/** Waits until everything in the log is counted and merged. */
async function drained(cluster: Cluster): Promise<void> {
  await pause(LATE_MS)
  const deadline = performance.now() + DRAIN_TIMEOUT_MS
  for (;;) {
    const ends = await logEnds(cluster.kafka)
    const rows = await runSql(
      cluster.url,
      'select number, next::text as next from partitions join positions using (source)',
    )
    const [unmerged] = await runSql(cluster.url, 'select count(*)::int as count from unmerged')
    const isCounted = rows.every(
      ({ number, next }) => ends[Number(number)] === BigInt(String(next)),
    )
    if (isCounted && rows.length === ends.length && unmerged?.['count'] === 0) return
    if (performance.now() > deadline) {
      throw new Error(`not counted to the end: ${JSON.stringify(rows)} of ${ends.join(', ')}`)
    }
    await pause(POLL_MS)
  }
}

/** Everything is counted, so every process must be able to end in peace. */
async function stopAll(cluster: Cluster): Promise<string[]> {
  const exitCodes = await Promise.all(cluster.members.map((member) => member.stop()))
  const problems = cluster.members.flatMap(({ name }, index) =>
    exitCodes[index] === 0 ? [] : [`at the end ${name} stopped with ${exitCodes[index]}`],
  )
  return [...problems, ...(await unequalTables(cluster.url))]
}
