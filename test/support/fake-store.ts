import { setImmediate as tick } from 'node:timers/promises'
import { AppError } from '../../src/errors.ts'
import type { Aggregate, CountStore } from '../../src/store/count-store.ts'

/** What the store does with one attempt. */
export type Weather =
  | 'fine'
  /** Nothing is stored, and the caller is told that nobody knows. */
  | 'refuses'
  /** The batch is stored, and the caller is told that nobody knows. */
  | 'answer lost'
  /** The caller is told that nobody knows; the batch lands during a later attempt, or after all. */
  | 'lands late'

/** CountStore's `commit` failing as told: a fake behind the port, whose compare-and-set is `apply`. */
export abstract class StormyStore implements Pick<CountStore, 'commit'> {
  readonly #weather: Weather[]
  #late: Aggregate[] = []

  constructor(weather: readonly Weather[]) {
    this.#weather = [...weather]
  }

  async commit(aggregate: Aggregate): Promise<'counted' | 'superseded'> {
    await tick()
    const weather = this.#weather.shift() ?? 'fine'
    // What was under way lands first: the moment at which a recomposed batch would be mistaken.
    this.land()
    if (weather === 'lands late') this.#late.push(aggregate)
    if (weather === 'refuses' || weather === 'lands late') throw unavailable()
    const outcome = this.apply(aggregate)
    if (weather === 'answer lost') throw unavailable()
    return outcome
  }

  /** Lets every commit that is still under way land. */
  land(): void {
    for (const aggregate of this.#late) this.apply(aggregate)
    this.#late = []
  }

  protected abstract apply(aggregate: Aggregate): 'counted' | 'superseded'
}

/** The batches of one writer, in memory. */
export class FakeStore extends StormyStore {
  readonly counted: Aggregate[] = []
  #position = 0n
  #batchId: string | undefined
  readonly #keys = new Set<string>()

  /** Clicks that count: keyed ones once. */
  get total(): number {
    return this.counted
      .flatMap(({ deltas }) => deltas)
      .reduce((sum, { count }) => sum + count, this.#keys.size)
  }

  protected override apply(aggregate: Aggregate): 'counted' | 'superseded' {
    const { span, keyed } = aggregate
    if (span.from !== this.#position) {
      return this.#batchId === span.batchId ? 'counted' : 'superseded'
    }
    this.#position = span.to
    this.#batchId = span.batchId
    this.counted.push(aggregate)
    for (const { bannerId, keyHash } of keyed) {
      this.#keys.add(`${bannerId} ${Buffer.from(keyHash).toString('hex')}`)
    }
    return 'counted'
  }
}

export function unavailable(): AppError {
  return new AppError('store_unavailable', 'the store is away')
}
