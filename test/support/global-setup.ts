// For `node --test --test-global-setup`: one Postgres and one Kafka for all test files, unless
// TEST_PG_URL and KAFKA_BROKERS_TEST name them. The processes of the test files inherit both.
import { kafkaMissing } from './kafka-binaries.ts'
import { SHARED_SESSION_MS, startKafka } from './kafka.ts'
import { startPostgres } from './postgres.ts'

const resources = new AsyncDisposableStack()

export async function globalSetup(): Promise<void> {
  const starts = await Promise.allSettled([
    provide('TEST_PG_URL', async () => {
      const postgres = resources.use(await startPostgres({ isDurable: false }))
      return postgres.url
    }),
    provide('KAFKA_BROKERS_TEST', async () => {
      const missing = kafkaMissing()
      if (missing === undefined) return await sharedKafka()
      if (process.env['CI'] !== undefined) throw new Error(missing)
      return undefined // the tests that need it skip, and say what is missing
    }),
  ])
  for (const start of starts) if (start.status === 'rejected') throw start.reason
}

export async function globalTeardown(): Promise<void> {
  await resources.disposeAsync()
}

async function sharedKafka(): Promise<string> {
  const kafka = resources.use(await startKafka({ sessionMs: SHARED_SESSION_MS }))
  return kafka.brokers
}

async function provide(name: string, start: () => Promise<string | undefined>): Promise<void> {
  const given = process.env[name]
  if (given !== undefined && given !== '') return
  const value = await start()
  if (value !== undefined) process.env[name] = value
}
