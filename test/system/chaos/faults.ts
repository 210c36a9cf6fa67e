// What is done to the cluster, by kind. Each fault is over, and what it ended is started again, when
// its promise resolves.
import { setTimeout as pause } from 'node:timers/promises'
import { runSql } from '../../support/database.ts'
import type { KafkaNode } from '../../support/kafka-node.ts'
import type { Cluster, Member, Role } from './cluster.ts'

/** Beyond the lease of 1.5 s. */
const AGGREGATOR_STOP_MS = 4_000
const API_STOP_MS = 2_000
const BROKER_STOP_MS = 5_000
const POSTGRES_STOP_MS = 3_000
/** Started again at once, or only when others have taken over. */
const RESTART_PAUSE_MAX_MS = 3_000
const TERMINATIONS = 10
const TERMINATION_PAUSE_MAX_MS = 200
const PARTITIONS_MAX = 12

export interface FaultContext {
  readonly cluster: Cluster
  readonly random: () => number
  /** With another fault at the same time a stop may not be able to settle everything. */
  readonly isAlone: boolean
  /** Told what should not have been. */
  readonly tell: (problem: string) => void
  readonly observeStop: (ms: number) => void
}

interface Kind {
  /** What nothing else may be done to at the same time. */
  readonly target: 'api' | 'aggregator' | 'postgres' | 'broker' | 'everything'
  readonly run: (context: FaultContext) => Promise<void>
  /** With one broker it would be the same as another kind. */
  readonly needsBrokers?: true
}

export const KINDS = {
  'kill -9 of an aggregator': {
    target: 'aggregator',
    run: (context) => killMember(context, 'aggregator'),
  },
  'kill -9 of an api': { target: 'api', run: (context) => killMember(context, 'api') },
  'kill -9 of Postgres': {
    target: 'postgres',
    async run({ cluster: { postgres } }) {
      await postgres.kill()
      await postgres.start()
    },
  },
  'kill -9 of the broker': {
    target: 'broker',
    async run({ cluster: { kafka } }) {
      await kafka.kill()
      await kafka.start()
    },
  },
  'an aggregator stopped for 4 s': {
    target: 'aggregator',
    run: (context) => freezeMember(context, 'aggregator', AGGREGATOR_STOP_MS),
  },
  'an api stopped for 2 s': {
    target: 'api',
    run: (context) => freezeMember(context, 'api', API_STOP_MS),
  },
  'the broker stopped for 5 s': {
    target: 'broker',
    async run({ cluster: { kafka } }) {
      kafka.freeze()
      await pause(BROKER_STOP_MS)
      kafka.thaw()
    },
  },
  'Postgres stopped for 3 s': {
    target: 'postgres',
    async run({ cluster: { postgres } }) {
      postgres.freeze()
      await pause(POSTGRES_STOP_MS)
      postgres.thaw()
    },
  },
  'kill -9 of one of the brokers': {
    target: 'broker',
    needsBrokers: true,
    async run(context) {
      const node = anyBroker(context)
      await node.kill()
      await pause(context.random() * RESTART_PAUSE_MAX_MS)
      await node.start()
    },
  },
  'one of the brokers stopped for 5 s': {
    target: 'broker',
    needsBrokers: true,
    async run(context) {
      const node = anyBroker(context)
      node.freeze()
      await pause(BROKER_STOP_MS)
      node.thaw()
    },
  },
  'one of the brokers restarted': {
    target: 'broker',
    needsBrokers: true,
    async run(context) {
      const node = anyBroker(context)
      await node.stop()
      await node.start()
    },
  },
  'an aggregator restarted': {
    target: 'aggregator',
    run: (context) => restartMember(context, 'aggregator'),
  },
  'an api restarted': { target: 'api', run: (context) => restartMember(context, 'api') },
  'kill -9 of everything': {
    target: 'everything',
    async run({ cluster: { members, kafka, postgres } }) {
      await Promise.all([...members.map((member) => member.kill()), postgres.kill(), kafka.kill()])
      // All at the same time: each must wait for what it needs.
      await Promise.all([
        ...members.map((member) => member.start()),
        postgres.start(),
        kafka.start(),
      ])
    },
  },
  'backends terminated': { target: 'postgres', run: terminateBackends },
  'a partition added': {
    target: 'broker',
    async run({ cluster }) {
      if (cluster.partitions < PARTITIONS_MAX) await cluster.addPartition()
    },
  },
} as const satisfies Record<string, Kind>

export type KindName = keyof typeof KINDS

const NAMES = Object.keys(KINDS) as KindName[] // an object literal has no others

/** Those that can be done to so many brokers. */
export function kindsFor(brokers: number): KindName[] {
  return NAMES.filter((name) => brokers > 1 || !('needsBrokers' in KINDS[name]))
}

/** Each leads some of the partitions, which must find another leader. */
function anyBroker({ cluster, random }: FaultContext): KafkaNode {
  const { nodes } = cluster.kafka
  const node = nodes[Math.floor(random() * nodes.length)]
  if (node === undefined) throw new Error('there is no broker')
  return node
}

async function killMember({ cluster, random }: FaultContext, role: Role): Promise<void> {
  await withMember(cluster, random, role, async (member) => {
    const pauseMs = random() < 0.5 ? 0 : random() * RESTART_PAUSE_MAX_MS
    await member.kill()
    await pause(pauseMs)
    await member.start()
  })
}

async function freezeMember(
  { cluster, random }: FaultContext,
  role: Role,
  ms: number,
): Promise<void> {
  await withMember(cluster, random, role, async (member) => {
    member.signal('SIGSTOP')
    await pause(ms)
    member.signal('SIGCONT')
  })
}

async function restartMember(context: FaultContext, role: Role): Promise<void> {
  const { cluster, random, isAlone, tell, observeStop } = context
  await withMember(cluster, random, role, async (member) => {
    const startedAt = performance.now()
    const exitCode = await member.stop()
    observeStop(performance.now() - startedAt)
    const allowed = isAlone ? [0] : [0, 1]
    if (exitCode === null || !allowed.includes(exitCode)) {
      tell(`${member.name} was told to stop and ended with ${exitCode}`)
    }
    await member.start()
  })
}

async function terminateBackends({ cluster, random }: FaultContext): Promise<void> {
  for (let round = 0; round < TERMINATIONS; round += 1) {
    await runSql(
      cluster.url,
      `select pg_terminate_backend(pid) from pg_stat_activity
       where datname = current_database() and application_name like 'tallymark%' and random() < 0.3`,
    )
    await pause(random() * TERMINATION_PAUSE_MAX_MS)
  }
}

async function withMember(
  cluster: Cluster,
  random: () => number,
  role: Role,
  use: (member: Member) => Promise<void>,
): Promise<void> {
  const free = cluster.of(role).filter(({ isTaken }) => !isTaken)
  const member = free[Math.floor(random() * free.length)]
  if (member === undefined) throw new Error(`no ${role} is left`)
  member.isTaken = true
  await use(member)
  member.isTaken = false
}
