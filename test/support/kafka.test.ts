import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as pause } from 'node:timers/promises'
import {
  Admin,
  Consumer,
  MessagesStreamModes,
  ProduceAcks,
  Producer,
  stringDeserializers,
  stringSerializers,
  type AdminOptions,
} from '@platformatic/kafka'
import { NEEDS_KAFKA } from './topic.ts'
import { startKafka, startSecuredKafka } from './kafka.ts'

const TOPIC = 'clicks'
const DEADLINE_MS = 20_000
const POLL_MS = 50

test('what a broker acknowledged is there after kill -9 and a new start', NEEDS_KAFKA, async () => {
  await using kafka = await startKafka()
  const client = clientOf(kafka.brokers)
  await createTopic(client, 1)
  await send(client, 'kept')
  await kafka.kill()
  await kafka.start()
  assert.deepEqual(await read(client, 1), ['kept'])
})

test('a frozen broker answers once it is thawed', NEEDS_KAFKA, async () => {
  await using kafka = await startKafka()
  const client = clientOf(kafka.brokers)
  await createTopic(client, 1)
  kafka.freeze()
  const sent = send(client, 'late').then(() => 'sent')
  assert.equal(await Promise.race([sent, pause(500)]), undefined)
  kafka.thaw()
  assert.equal(await sent, 'sent')
})

test('of three nodes, another leads when the leader is killed', NEEDS_KAFKA, async () => {
  await using kafka = await startKafka({ nodes: 3 })
  const client = clientOf(kafka.brokers)
  await createTopic(client, 3)
  await send(client, 'before')
  const leader = await leaderOf(client)
  await kafka.nodes[leader - 1]?.kill()
  await send(client, 'after')
  assert.notEqual(await leaderOf(client), leader)
  assert.deepEqual(await read(client, 2), ['before', 'after'])
  await kafka.nodes[leader - 1]?.start()
})

test('a secured broker takes its own password and no other', NEEDS_KAFKA, async () => {
  await using kafka = await startSecuredKafka()
  const { user: username, password } = kafka
  const tls = { ca: readFileSync(kafka.ca) }
  const clients = (['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map((mechanism) => {
    return { ...clientOf(kafka.brokers), tls, sasl: { mechanism, username, password } }
  })
  for (const [index, client] of clients.entries()) {
    if (index === 0) await createTopic(client, 1)
    await send(client, 'kept')
    const hasty = { ...client, retries: 0 }
    await assert.rejects(send({ ...hasty, sasl: { ...client.sasl, password: 'wrong' } }, 'refused'))
    await assert.rejects(send({ ...hasty, tls: {} }, 'sent to a stranger'))
  }
})

test('kill -9 of a test leaves no broker and no folder behind', NEEDS_KAFKA, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'tallymark-'))
  const url = new URL('./kafka.ts', import.meta.url).href
  const script = `import { startKafka } from ${JSON.stringify(url)}
    const { brokers } = await startKafka()
    process.stdout.write(brokers)
    setInterval(() => {}, 1_000)`
  const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const [brokers] = (await once(parent.stdout, 'data')) as [Buffer] // a pipe without an encoding
  assert.equal(readdirSync(folder).length, 1)
  assert.ok(await listens(String(brokers)))
  parent.kill('SIGKILL')
  const deadline = performance.now() + DEADLINE_MS
  while (readdirSync(folder).length > 0 && performance.now() < deadline) await pause(POLL_MS)
  rmdirSync(folder) // fails unless empty
  assert.ok(!(await listens(String(brokers))))
})

function clientOf(brokers: string): AdminOptions {
  return {
    clientId: 'test',
    bootstrapBrokers: brokers.split(','),
    retries: DEADLINE_MS / POLL_MS,
    retryDelay: POLL_MS,
  }
}

async function createTopic(client: AdminOptions, replicas: number): Promise<void> {
  const admin = new Admin(client)
  await using _ = { [Symbol.asyncDispose]: () => admin.close() }
  await admin.createTopics({ topics: [TOPIC], partitions: 1, replicas })
}

async function leaderOf(client: AdminOptions): Promise<number> {
  const admin = new Admin(client)
  await using _ = { [Symbol.asyncDispose]: () => admin.close() }
  const { topics } = await admin.metadata({ topics: [TOPIC] })
  return topics.get(TOPIC)?.partitions[0]?.leader ?? -1
}

async function send(client: AdminOptions, value: string): Promise<void> {
  const producer = new Producer({ ...client, serializers: stringSerializers })
  await using _ = { [Symbol.asyncDispose]: () => producer.close(true) }
  await producer.send({ messages: [{ topic: TOPIC, value }], acks: ProduceAcks.ALL })
}

/** The first so many values. */
async function read(client: AdminOptions, count: number): Promise<string[]> {
  const consumer = new Consumer({ ...client, groupId: 'test', deserializers: stringDeserializers })
  await using _ = { [Symbol.asyncDispose]: () => consumer.close(true) }
  const stream = await consumer.consume({ topics: [TOPIC], mode: MessagesStreamModes.EARLIEST })
  const values: string[] = []
  for await (const { value } of stream) {
    values.push(value)
    if (values.length === count) break
  }
  return values
}

async function listens(address: string): Promise<boolean> {
  const [host, port] = address.split(':')
  const socket = connect(Number(port), host)
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}
