/**
 * Counts values by buckets, as plain numbers: prom-client's own histogram takes 20 times as long for a
 * value, most of it for labels.
 */
export class PlainHistogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[]
  /** By bucket, not added up; the last one is of values above all bounds. */
  readonly counts: Float64Array
  sum = 0

  constructor(bounds: readonly number[]) {
    this.bounds = bounds
    this.counts = new Float64Array(bounds.length + 1)
  }

  observe(value: number): void {
    let bucket = 0
    while (value > (this.bounds[bucket] ?? Infinity)) bucket += 1
    this.counts[bucket] = (this.counts[bucket] ?? 0) + 1
    this.sum += value
  }
}
