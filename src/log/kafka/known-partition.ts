/** How far a partition is counted, for whoever watches. */
export interface KnownPartition {
  readonly number: number
  /** The offset of the next record to count. */
  readonly position: number
  /** Records that are known to wait from there on. */
  readonly waiting: number
}

/** `end`: where the log ended when it was last looked at, which may be before what is counted since. */
export function knownPartition(number: number, next: bigint, end = next): KnownPartition {
  return { number, position: Number(next), waiting: end > next ? Number(end - next) : 0 }
}
