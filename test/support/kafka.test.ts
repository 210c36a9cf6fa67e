import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmdirSync } from 'node:fs'
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
} from '@platformatic/kafka'
import { kafkaMissing } from './kafka-binaries.ts'
import { startKafka } from './kafka.ts'

const DEADLINE_MS = 20_000
const TOPIC = 'clicks'
const POLL_MS = 50
const NEEDS_KAFKA = { skip: process.env['CI'] === undefined && (kafkaMissing() ?? false) }

test('what a broker acknowledged is there after kill -9 and a new start', NEEDS_KAFKA, async () => {
  await using kafka = await startKafka()
  await createTopic(kafka.brokers, 1)
  await send(kafka.brokers, 'kept')
  await kafka.kill()
  await kafka.start()
  assert.deepEqual(await read(kafka.brokers, 1), ['kept'])
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
  assert.deepEqual(readdirSync(folder), [])
  assert.ok(!(await listens(String(brokers))))
  rmdirSync(folder)
})

function client(brokers: string) {
  return { clientId: 'test', bootstrapBrokers: brokers.split(','), retries: 100, retryDelay: 100 }
}

async function createTopic(brokers: string, replicas: number): Promise<void> {
  const admin = new Admin(client(brokers))
  await using _ = { [Symbol.asyncDispose]: () => admin.close() }
  await admin.createTopics({ topics: [TOPIC], partitions: 1, replicas })
}

async function send(brokers: string, value: string): Promise<void> {
  const producer = new Producer({ ...client(brokers), serializers: stringSerializers })
  await using _ = { [Symbol.asyncDispose]: () => producer.close() }
  await producer.send({ messages: [{ topic: TOPIC, value }], acks: ProduceAcks.ALL })
}

/** The first so many values. */
async function read(brokers: string, count: number): Promise<string[]> {
  const consumer = new Consumer({
    ...client(brokers),
    groupId: 'test',
    deserializers: stringDeserializers,
  })
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
