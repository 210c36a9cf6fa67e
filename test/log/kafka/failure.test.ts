// How brokers refuse this service, and what is made of it.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { test } from 'node:test'
import { Admin } from '@platformatic/kafka'
import {
  clientOptions,
  tolerant,
  untilClosed,
  type KafkaConnection,
} from '../../../src/log/kafka/client.ts'
import {
  apiIdsOf,
  brokerAway,
  isTopicUnknown,
  refusalOf,
  troubleOf,
} from '../../../src/log/kafka/failure.ts'
import { NEEDS_KAFKA } from '../../support/topic.ts'
import { startSecuredKafka } from '../../support/kafka.ts'

async function failureOf(connection: KafkaConnection, topics: string[] = []): Promise<unknown> {
  const admin = tolerant(
    new Admin({
      ...clientOptions(connection, 'test'),
      retries: 0,
      connectTimeout: 2_000,
      requestTimeout: 2_000,
    }),
  )
  try {
    await admin.metadata({ topics })
    return undefined
  } catch (error) {
    return error
  } finally {
    await untilClosed(admin.close())
  }
}

test(
  'a broker is reached by TLS and SASL, and its refusals are told apart',
  NEEDS_KAFKA,
  async () => {
    await using kafka = await startSecuredKafka()
    const port = Number(kafka.brokers.split(':')[1])
    const good = {
      brokers: [{ host: '127.0.0.1', port }],
      tls: { ca: readFileSync(kafka.ca, 'utf8') },
      sasl: { mechanism: 'SCRAM-SHA-512', username: kafka.user, password: kafka.password },
    } as const satisfies KafkaConnection
    const refusal = async (change: Partial<KafkaConnection>) =>
      refusalOf(await failureOf({ ...good, ...change }))?.found
    assert.equal(await failureOf(good), undefined)
    assert.equal(await failureOf({ ...good, brokers: [{ host: 'localhost', port }] }), undefined)
    for (const mechanism of ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'] as const) {
      const sasl = { ...good.sasl, mechanism }
      assert.equal(await failureOf({ ...good, sasl }), undefined, mechanism)
      const wrong = { sasl: { ...sasl, password: 'Geheimnis' } }
      assert.equal(await refusal(wrong), 'refuses user or password', mechanism)
    }
    assert.equal(await refusal({ tls: {} }), 'has a certificate that nobody vouches for')
    assert.equal(await refusal({ tls: undefined, sasl: undefined }), 'asks for TLS')
    const wrong = await failureOf({ ...good, sasl: { ...good.sasl, username: 'nobody' } })
    assert.deepEqual(apiIdsOf(wrong), ['SASL_AUTHENTICATION_FAILED'])
    assert.equal(troubleOf(wrong), 'SASL authentication failed')
  },
)

test('a broker that asks for no user, or knows no such topic, says so', NEEDS_KAFKA, async () => {
  const [host = '', port] = (process.env['KAFKA_BROKERS_TEST'] ?? '').split(':')
  const sasl = { mechanism: 'PLAIN', username: 'me', password: 'sesame' } as const
  const brokers = [{ host, port: Number(port) }]
  const failure = await failureOf({ brokers, tls: undefined, sasl })
  assert.equal(refusalOf(failure)?.found, 'asks for no user and password')
  assert.match(brokerAway(failure).message, /^Kafka does not answer: it asks for no user/)
  const unknown = await failureOf({ brokers, tls: undefined, sasl: undefined }, ['no-such-topic'])
  assert.deepEqual([isTopicUnknown(unknown), isTopicUnknown(failure)], [true, false])
})

test('what may pass is no refusal, and every broker has its say', async () => {
  await using closing = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1')
  await once(closing, 'listening')
  const { port } = closing.address() as AddressInfo // it listens on TCP
  const here = { host: '127.0.0.1', port }
  const sasl = { mechanism: 'SCRAM-SHA-256', username: 'me', password: 'sesame' } as const
  for (const [connection, trouble] of [
    [
      { brokers: [here], tls: undefined, sasl: undefined },
      /^(?:Connection closed[a-z ]*|\w+ ECONNRESET|\w+ EPIPE)$/,
    ],
    [
      { brokers: [here], tls: undefined, sasl },
      /^(?:Connection closed[a-z ]*|\w+ ECONNRESET|\w+ EPIPE)$/,
    ],
    [
      { brokers: [here], tls: {}, sasl },
      /^.* before secure TLS connection was established|\w+ ECONNRESET$/,
    ],
    [
      {
        brokers: [
          { host: '127.0.0.1', port: 1 },
          { host: 'nowhere.invalid', port: 1 },
        ],
        tls: undefined,
        sasl: undefined,
      },
      /^connect ECONNREFUSED 127\.0\.0\.1:1; getaddrinfo E\w+ nowhere\.invalid$/,
    ],
  ] as const) {
    const failure = await failureOf(connection)
    assert.match(troubleOf(failure), trouble)
    assert.equal(refusalOf(failure), undefined)
    assert.deepEqual(apiIdsOf(failure), [])
  }
})

test('what is no error of the client is read, too', () => {
  const inner = new Error('closed')
  const nested = new AggregateError([inner, new Error('late', { cause: inner }), 7], 'several')
  assert.equal(troubleOf(nested), 'closed')
  assert.equal(troubleOf('odd'), 'odd')
  assert.deepEqual([refusalOf(undefined), apiIdsOf('odd')], [undefined, []])
  const expired = Object.assign(new Error('too late'), { code: 'CERT_HAS_EXPIRED' })
  const found = refusalOf(new Error('connection', { cause: expired }))?.found
  assert.equal(found, 'has a certificate that is not valid today')
})
