/** What connections may take. Bytes are limited where they are read: body.ts and refusals.ts. */
export interface Limits {
  readonly connectionsMax: number
  readonly headersTimeoutMs: number
  readonly requestTimeoutMs: number
  /** Between two requests. */
  readonly keepAliveTimeoutMs: number
  /** For a client that does not take its answer. */
  readonly stallTimeoutMs: number
  /** Requests of one connection that are not answered yet; one more closes it. */
  readonly pipelinedMax: number
  /** Answers of more than a few rows that are being sent. */
  readonly largeAnswersMax: number
}

export const LIMITS: Omit<Limits, 'connectionsMax'> = {
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 30_000,
  keepAliveTimeoutMs: 72_000, // longer than the usual 60 s of a proxy in front
  stallTimeoutMs: 120_000, // longer than the longest ACK_TIMEOUT_MS, while nothing moves either
  pipelinedMax: 64, // browsers send one, benchmarks 16; a packet of 64 KiB holds 1,600
  largeAnswersMax: 100, // each keeps up to 3 MB until its reader has all of it
}
