// For `node --test --test-global-setup`: one Postgres for all test files, unless TEST_PG_URL names
// one. The processes of the test files inherit the variable.
import { startPostgres, type PostgresServer } from './postgres.ts'

let server: PostgresServer | undefined

export async function globalSetup(): Promise<void> {
  const given = process.env['TEST_PG_URL']
  if (given !== undefined && given !== '') return
  server = await startPostgres({ isDurable: false })
  process.env['TEST_PG_URL'] = server.url
}

export async function globalTeardown(): Promise<void> {
  await server?.[Symbol.asyncDispose]()
}
