// A topic for tests on the broker that they share, and whether there is one.
import { randomUUID } from 'node:crypto'
import { Admin } from '@platformatic/kafka'
import { isTopicUnknown } from '../../src/log/kafka/failure.ts'
import { kafkaMissing } from './kafka-binaries.ts'

/** Each one costs the broker files and every fetch a little, and two show whatever more would. */
const PARTITIONS = 2

export interface TestTopic extends AsyncDisposable {
  readonly brokers: string
  readonly name: string
  /** Of a service for which it is the click log. */
  readonly settings: Readonly<Record<string, string>>
}

/** Options of tests that need Kafka: without it they are skipped and say why, but not in CI. */
export const NEEDS_KAFKA: { readonly skip?: string } = whyNoKafka()

function whyNoKafka(): { readonly skip?: string } {
  const { CI, KAFKA_BROKERS_TEST: brokers = '' } = process.env
  const skip = CI === undefined && brokers === '' ? kafkaMissing() : undefined
  return skip === undefined ? {} : { skip }
}

/** A name that no other test has; whoever opens it first makes the topic. It is deleted with the test. */
export function createTopic(brokers = sharedBrokers()): TestTopic {
  const name = `test-${randomUUID()}`
  return {
    brokers,
    name,
    settings: {
      KAFKA_BROKERS: brokers,
      KAFKA_TOPIC: name,
      KAFKA_PARTITIONS: String(PARTITIONS),
    },
    [Symbol.asyncDispose]: () => deleteTopic(brokers, name),
  }
}

async function deleteTopic(brokers: string, topic: string): Promise<void> {
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: brokers.split(','), retries: 0 })
  try {
    await admin.deleteTopics({ topics: [topic] })
  } catch (error) {
    // The test may have failed before anybody made it.
    if (!isTopicUnknown(error)) throw error
  } finally {
    await admin.close()
  }
}

export function sharedBrokers(): string {
  const { KAFKA_BROKERS_TEST: brokers = '' } = process.env
  if (brokers !== '') return brokers
  throw new Error('No Kafka to test with: run the tests by "npm run test:only -- FILE".')
}
