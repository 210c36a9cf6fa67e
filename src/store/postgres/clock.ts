import type { HeldClock } from '../../clock.ts'
import { AppError } from '../../errors.ts'
import type { Connections, Row, Statement } from './connections.ts'

/**
 * The database's clock, which all processes share, told from the instants that come with its
 * answers. In between, this machine's monotonic clock carries it on; the machine's own idea of the
 * time is never asked. It does not go back: where the database's clock does, it stands still.
 */
export class PostgresClock implements HeldClock {
  /** Milliseconds from the monotonic clock to the database's. */
  #offset: number | undefined
  #last = 0

  get isSet(): boolean {
    return this.#offset !== undefined
  }

  now(): number {
    if (this.#offset === undefined) {
      throw new AppError('store_unavailable', 'The store was not reached yet; see Retry-After.')
    }
    this.#last = Math.max(this.#last, told(this.#offset))
    return this.#last
  }

  get aheadMs(): number {
    return this.#offset === undefined ? 0 : Math.max(0, this.#last - told(this.#offset))
  }

  /** The first row of an answer; its `instant` corrects the clock. */
  async ask(
    connections: Pick<Connections, 'query'>,
    statement: Statement,
  ): Promise<Row | undefined> {
    const [row] = await this.askAll(connections, statement)
    return row
  }

  async askAll(
    connections: Pick<Connections, 'query'>,
    statement: Statement,
  ): Promise<readonly Row[]> {
    const sentAt = performance.now()
    const rows = await connections.query(statement)
    const [row] = rows
    if (row !== undefined) this.observe(Number(row['instant']), sentAt)
    return rows
  }

  /**
   * Learns from an answer: the database's clock showed `instant` between `sentAt` and now (both
   * monotonic). Only what contradicts that is corrected, so that a slow answer does no harm. As
   * every commit's answer comes by here, a machine that slept knows before it acknowledges a click.
   */
  observe(instant: number, sentAt: number): void {
    if (this.#offset !== undefined) this.now() // what it has come to is kept, if it is set back
    const least = instant - performance.now()
    const most = instant + 1 - sentAt // instants are whole milliseconds, rounded down
    this.#offset = Math.min(Math.max(this.#offset ?? least, least), most)
  }

  /** Never shows less than this from now on: an instant that some process has already used. */
  holdAt(instant: number): void {
    this.#last = Math.max(this.#last, instant)
  }
}

function told(offset: number): number {
  // The hundredth makes up for a sum of fractions that lost its last bit.
  return Math.floor(offset + performance.now() + 0.01)
}
