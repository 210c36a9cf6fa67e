import { Client } from 'pg'
import { OperatorError, reasonOf } from '../../errors.ts'
import type { PostgresConnection, Row } from './connections.ts'

const CONNECT_TIMEOUT_MS = 5_000
/** Of one statement of a copy: a page. */
const STATEMENT_TIMEOUT_MS = 60_000
/** The server is the first to give up: it knows why. */
const CLIENT_MARGIN_MS = 1_000

/** One connection for a copy, which ends with it; whatever the database says is a sentence. */
export class CopySession implements AsyncDisposable {
  readonly #client: Client
  readonly #label: string

  private constructor(client: Client, label: string) {
    this.#client = client
    this.#label = label
  }

  static async open(connection: PostgresConnection, label: string): Promise<CopySession> {
    const client = new Client({
      ...connection,
      application_name: 'tallymark copy',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: STATEMENT_TIMEOUT_MS + CLIENT_MARGIN_MS,
      keepAlive: true,
    })
    client.on('error', () => {}) // the next statement fails, too
    await using building = new AsyncDisposableStack()
    const session = building.use(new CopySession(client, label))
    try {
      await client.connect()
    } catch (error) {
      throw session.#failed(error)
    }
    // A source waits for the target in a transaction, for as long as that takes.
    await session.query(
      `set synchronous_commit = on; set default_transaction_isolation = 'read committed';
       set statement_timeout = ${STATEMENT_TIMEOUT_MS}; set idle_in_transaction_session_timeout = 0`,
    )
    building.move()
    return session
  }

  async query(text: string, values: readonly unknown[] = []): Promise<readonly Row[]> {
    try {
      // Several statements at once take no values.
      const { rows } = await (values.length === 0
        ? this.#client.query<Row>(text)
        : this.#client.query<Row>(text, [...values]))
      return rows
    } catch (error) {
      throw this.#failed(error)
    }
  }

  async transaction<T>(work: () => Promise<T>): Promise<T> {
    await this.query('begin')
    try {
      const result = await work()
      await this.query('commit')
      return result
    } catch (error) {
      await this.#client.query('rollback').catch(() => undefined) // or the connection is gone
      throw error
    }
  }

  #failed(error: unknown): Error {
    if (!(error instanceof Error)) return new Error(String(error))
    return new OperatorError(
      `The copy stopped: ${this.#label}: ${reasonOf(error)}. What was copied until then stays; run it again.`,
      { cause: error },
    )
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#client.end().catch(() => undefined) // it is gone already
  }
}
