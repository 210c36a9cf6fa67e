// A real Kafka for tests, of one node or several, that outlives nobody: kafka-node.ts sees to that.
import { copyFileSync, existsSync, mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findKafka, KAFKA_PASSWORD, KAFKA_USER, type KafkaBinaries } from './kafka-binaries.ts'
import { guardNode, isPortTaken, type GuardedNode, type KafkaNode } from './kafka-node.ts'
import { freePort } from './service.ts'

const START_ATTEMPTS = 3
const HEARTBEATS = 5 // of a session
const ELECTION_MS = 300

/** For a broker that nobody kills, on a machine that may be too busy for five heartbeats a second. */
export const SHARED_SESSION_MS = 30_000

/** `kill`, `start` and so on are for all nodes at once. */
export interface KafkaBroker extends KafkaNode, AsyncDisposable {
  /** `127.0.0.1:PORT`, with commas between those of several nodes. */
  readonly brokers: string
  readonly nodes: readonly KafkaNode[]
}

/** It listens by SASL_SSL alone, and takes PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512. */
export interface SecuredKafka extends KafkaBroker {
  /** The file of the certificate that its own is to be trusted by, as PEM. */
  readonly ca: string
  readonly user: string
  readonly password: string
}

export interface KafkaOptions {
  readonly nodes?: number
  /**
   * How long the controllers believe in a node that they no longer hear. So long do a killed node's
   * partitions lack a leader, and so long may it not come back: its new start is refused as a second
   * node of the same id, at each heartbeat. With Kafka's own 9 s a start after `kill` takes 11 s,
   * with 1 s it takes 2.
   */
  readonly sessionMs?: number
}

/** On free ports, without a topic; it keeps no process from ending. */
export async function startKafka(options: KafkaOptions = {}): Promise<KafkaBroker> {
  return await startArchived(options, false)
}

/** As `startKafka`, for those who have the password. */
export async function startSecuredKafka(options: KafkaOptions = {}): Promise<SecuredKafka> {
  return await startArchived(options, true)
}

/** A node's place in its cluster. */
interface Seat {
  readonly id: number
  readonly port: number
  readonly controllerPort: number
}

type Properties = Readonly<Record<string, string | number | boolean>>

interface Plan {
  readonly binaries: KafkaBinaries
  /** Further options of Java. */
  readonly java: readonly string[]
  /** Where the nodes make their homes. */
  readonly folder: string
  readonly size: number
  readonly sessionMs: number
  readonly isSecured: boolean
}

async function startArchived(options: KafkaOptions, isSecured: boolean): Promise<KafkaCluster> {
  const { nodes: size = 1, sessionMs = 1_000 } = options
  const binaries = await findKafka()
  const archive = await findArchive(binaries)
  const java = [`-XX:SharedArchiveFile=${archive}`]
  return await startCluster({ binaries, java, folder: tmpdir(), size, sessionMs, isSecured })
}

async function startCluster(plan: Plan): Promise<KafkaCluster> {
  for (let attempt = 1; ; attempt += 1)
    try {
      return await tryCluster(plan)
    } catch (error) {
      // Between our look for a free port and Kafka's use of it, another may take it.
      if (attempt === START_ATTEMPTS || !isPortTaken(String(error))) throw error
    }
}

async function tryCluster(plan: Plan): Promise<KafkaCluster> {
  const seats: Seat[] = []
  for (let id = 1; id <= plan.size; id += 1)
    seats.push({ id, port: await freePort(), controllerPort: await freePort() })
  await using resources = new AsyncDisposableStack()
  const nodes: GuardedNode[] = []
  for (const seat of seats) {
    const node = resources.use(await guardNode(plan.folder, (home) => command(plan, home)))
    furnish(node.home, plan, seat, seats)
    nodes.push(node)
  }
  const brokers = seats.map(({ port }) => `127.0.0.1:${port}`).join(',')
  const cluster = new KafkaCluster(nodes, brokers, plan.binaries.ca)
  await cluster.start()
  resources.move()
  return cluster
}

class KafkaCluster implements SecuredKafka {
  readonly nodes: readonly GuardedNode[]
  readonly brokers: string
  readonly ca: string
  readonly user = KAFKA_USER
  readonly password = KAFKA_PASSWORD

  constructor(nodes: readonly GuardedNode[], brokers: string, ca: string) {
    this.nodes = nodes
    this.brokers = brokers
    this.ca = ca
  }

  async start(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.start()))
  }

  async kill(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.stop()))
  }

  freeze(): void {
    for (const node of this.nodes) node.freeze()
  }

  thaw(): void {
    for (const node of this.nodes) node.thaw()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
  }
}

/**
 * The classes as Java has them in memory, which makes the start three times as fast. The first start
 * of a version of Java makes them: it takes some seconds more.
 */
async function findArchive(binaries: KafkaBinaries): Promise<string> {
  const archive = join(binaries.folder, `java-${binaries.javaVersion}.jsa`)
  if (existsSync(archive)) return archive
  await using cluster = await startCluster({
    binaries,
    java: ['-XX:ArchiveClassesAtExit=made.jsa'],
    folder: binaries.folder, // a file can be renamed within one file system only
    size: 1,
    sessionMs: SHARED_SESSION_MS,
    isSecured: true, // so that its classes are there too
  })
  await cluster.stop()
  for (const { home } of cluster.nodes) renameSync(join(home, 'made.jsa'), archive)
  return archive
}

function command({ binaries, java }: Plan, home: string): string[] {
  return [
    binaries.java,
    '-Xmx64m',
    '-XX:+ExitOnOutOfMemoryError',
    '-XX:+UseSerialGC',
    '-XX:TieredStopAtLevel=1', // the best of compilers pays off after minutes only
    '-XX:-UsePerfData', // a file in the temporary folder, which kill -9 leaves there
    `-Djava.io.tmpdir=${home}`, // so are the libraries that Kafka unpacks
    '-Xlog:disable',
    '-Xlog:all=error:stderr',
    '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
    '-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info', // says when it serves
    ...java,
    '-cp',
    binaries.classPath,
    'kafka.Kafka',
    'server.properties',
  ]
}

function furnish(home: string, plan: Plan, seat: Seat, seats: readonly Seat[]): void {
  const data = join(home, 'data')
  mkdirSync(data)
  copyFileSync(plan.binaries.checkpoint, join(data, 'bootstrap.checkpoint'))
  const format = { version: 1, 'cluster.id': 'AAAAAAAAAAAAAAAAAAAAAA', 'node.id': seat.id }
  writeFileSync(join(data, 'meta.properties'), properties(format))
  writeFileSync(
    join(home, 'server.properties'),
    properties({
      ...settings(plan, seat, seats),
      'log.dirs': data,
      ...(plan.isSecured ? securitySettings(plan.binaries) : {}),
    }),
  )
}

function settings({ sessionMs }: Plan, seat: Seat, seats: readonly Seat[]): Properties {
  const replicas = seats.length
  return {
    'process.roles': 'broker,controller',
    'node.id': seat.id,
    'controller.quorum.voters': seats
      .map(({ id, controllerPort }) => `${id}@127.0.0.1:${controllerPort}`)
      .join(','),
    listeners: `CLIENT://127.0.0.1:${seat.port},CONTROLLER://127.0.0.1:${seat.controllerPort}`,
    'listener.security.protocol.map': 'CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    'inter.broker.listener.name': 'CLIENT',
    'controller.listener.names': 'CONTROLLER',
    'log.cleaner.dedupe.buffer.size': 2_097_152, // the default is twice our heap
    'auto.create.topics.enable': false, // or a mistyped name is a new topic
    'group.initial.rebalance.delay.ms': 0,
    'controller.quorum.fetch.timeout.ms': sessionMs,
    'controller.quorum.election.timeout.ms': ELECTION_MS,
    'controller.quorum.election.backoff.max.ms': ELECTION_MS,
    'broker.session.timeout.ms': sessionMs,
    'broker.heartbeat.interval.ms': Math.ceil(sessionMs / HEARTBEATS),
    'offsets.topic.num.partitions': 1,
    'offsets.topic.replication.factor': replicas,
    'transaction.state.log.num.partitions': 1,
    'transaction.state.log.replication.factor': replicas,
    'transaction.state.log.min.isr': 1,
    'share.coordinator.state.topic.num.partitions': 1,
    'share.coordinator.state.topic.replication.factor': replicas,
    'share.coordinator.state.topic.min.isr': 1,
  }
}

function securitySettings({ keys, ca }: KafkaBinaries): Properties {
  const modules = 'org.apache.kafka.common.security'
  const user = `username="${KAFKA_USER}" password="${KAFKA_PASSWORD}"`
  const plain = `${modules}.plain.PlainLoginModule required ${user} user_${KAFKA_USER}="${KAFKA_PASSWORD}";`
  const scram = `${modules}.scram.ScramLoginModule required;` // the checkpoint has its users
  return {
    'listener.security.protocol.map': 'CLIENT:SASL_SSL,CONTROLLER:PLAINTEXT',
    'ssl.keystore.type': 'PKCS12',
    'ssl.keystore.location': keys,
    'ssl.keystore.password': KAFKA_PASSWORD,
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': ca,
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    'sasl.mechanism.inter.broker.protocol': 'PLAIN',
    'listener.name.client.plain.sasl.jaas.config': plain,
    'listener.name.client.scram-sha-256.sasl.jaas.config': scram,
    'listener.name.client.scram-sha-512.sasl.jaas.config': scram,
  }
}

function properties(values: Properties): string {
  return Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
}
