import { setTimeout as pause } from 'node:timers/promises'
import { Pool, type ClientBase, type PoolConfig } from 'pg'
import { AppError } from '../../errors.ts'
import { asSentence, isPassing } from './failure.ts'

/** Where the database is, and as whom. */
export type PostgresConnection = Readonly<
  Pick<PoolConfig, 'host' | 'port' | 'user' | 'password' | 'database' | 'ssl'>
>

export interface ConnectionsOptions {
  readonly connection: PostgresConnection
  /** How messages call the database. */
  readonly label: string
  /** Shown by pg_stat_activity. */
  readonly purpose: string
  readonly connectionsMax: number
  /** How many queries may wait for a connection. */
  readonly waitingMax: number
  readonly queryTimeoutMs: number
}

export interface Statement {
  /** Statements with a name are planned once a connection. */
  readonly name?: string
  readonly text: string
  readonly values?: readonly unknown[]
}

/** Columns by name; the statements cast what they return to JSON, text or double precision. */
export type Row = Readonly<Record<string, unknown>>

const CONNECT_TIMEOUT_MS = 5_000
/** A server that has not answered for so long is not there. */
const SLOW_MS = 2_000
const CLOSING_MS = 1_000
/** The server is the first to give up: it knows why. */
const CLIENT_MARGIN_MS = 1_000

/**
 * A pool of connections for one purpose. Every statement is its own transaction, and every query
 * ends: `query` rejects with `store_unavailable` when its outcome is not known or it may succeed
 * later, and with another error when the database cannot be trusted: an OperatorError for missing rights.
 */
export class Connections implements AsyncDisposable {
  readonly #pool: Pool
  readonly #label: string
  readonly #waitingMax: number
  #pending = 0
  #answeredAt = 0
  #isAway = false

  constructor({
    connection,
    label,
    purpose,
    connectionsMax,
    waitingMax,
    queryTimeoutMs,
  }: ConnectionsOptions) {
    this.#label = label
    this.#waitingMax = waitingMax
    this.#pool = new Pool({
      ...connection,
      max: connectionsMax,
      application_name: `tallymark ${purpose}`,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // A server that hangs keeps no time: then the client gives up, and closes the connection.
      query_timeout: queryTimeoutMs + CLIENT_MARGIN_MS,
      keepAlive: true,
      // The driver waits for the promise, which its type does not say.
      onConnect: ((client: ClientBase) => prepareSession(client, queryTimeoutMs)) as (
        client: ClientBase,
      ) => void,
    } satisfies PoolConfig)
    // A connection that breaks while it is idle is replaced by the next query, one that breaks in a
    // transaction makes its query fail. Unheard, either would end the process.
    this.#pool.on('error', () => {})
    this.#pool.on('connect', (client) => client.on('error', () => {}))
  }

  /** Why the next query would probably not succeed, by what became of the last ones. */
  get trouble(): string | undefined {
    if (this.#isAway) return 'the store is away'
    const isSlow = this.#pending > 0 && performance.now() - this.#answeredAt > SLOW_MS
    return isSlow ? 'the store does not answer' : undefined
  }

  async query(statement: Statement): Promise<readonly Row[]> {
    const { rows } = await this.#run(() => this.#pool.query<Row>(queryOf(statement)))
    return rows
  }

  /** Several statements in one transaction, all of them or none. */
  async transaction<T>(work: (query: Query) => Promise<T>): Promise<T> {
    return this.#run(async () => {
      const client = await this.#pool.connect()
      let failure: Error | undefined
      try {
        await client.query('begin')
        const result = await work(
          async (statement) => (await client.query<Row>(queryOf(statement))).rows,
        )
        const { command } = await client.query('commit')
        // A commit after a failed statement is answered like any other.
        if (command !== 'COMMIT') throw new Error(`the transaction ended with ${command}`)
        return result
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error))
        throw error
      } finally {
        client.release(failure) // with a failure it is closed, which rolls back
      }
    })
  }

  async #run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#pool.waitingCount >= this.#waitingMax) {
      throw new AppError(
        'store_unavailable',
        'Too many requests wait for the store; see Retry-After.',
      )
    }
    if (this.#pending === 0) this.#answeredAt = performance.now() // nothing was asked before
    this.#pending += 1
    try {
      const result = await work()
      this.#isAway = false
      return result
    } catch (error) {
      this.#isAway = isPassing(error)
      if (!this.#isAway) throw asSentence(this.#label, error)
      throw new AppError('store_unavailable', 'The store is away; see Retry-After.', {
        cause: error,
      })
    } finally {
      this.#answeredAt = performance.now()
      this.#pending -= 1
    }
  }

  /** Does not wait for a server that hangs. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.race([this.#pool.end(), pause(CLOSING_MS)])
  }
}

export type Query = (statement: Statement) => Promise<readonly Row[]>

/**
 * Whatever the database's defaults are, or the URL says: an answer must follow the disk, and each
 * statement must see what was committed before it.
 */
function prepareSession(client: ClientBase, timeoutMs: number): Promise<unknown> {
  // Not as parameters of the connection: a pooler in between refuses those.
  return client.query(
    `set synchronous_commit = on;
     set default_transaction_isolation = 'read committed';
     set statement_timeout = ${timeoutMs};
     set idle_in_transaction_session_timeout = ${timeoutMs}`,
  )
}

function queryOf({ name, text, values = [] }: Statement) {
  return { text, values: [...values], ...(name !== undefined && { name }) }
}
