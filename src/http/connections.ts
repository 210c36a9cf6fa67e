// The open connections, and which of them make room when there are too many:
//
//   connected ──> a request arrives ──> it is answered ──> idle
//                        ^                                  │
//                        └──────────────────────────────────┘
//
// Idle ones go at once, those whose request has been arriving for a second go too, and those that are
// being answered stay.
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Logger } from '../logger.ts'

/** A request arrives in one packet or a few. */
const PATIENCE_MS = 1_000
/** Bounds the search for a connection that may go: it takes 0.1 ms. */
const LOOKS_MAX = 1_000
const WARNING_INTERVAL_MS = 10_000

interface Connection {
  /** The answers that are not with the client yet, in order; the last one is kept when it is. */
  readonly answers: ServerResponse[]
  /** Since when its next request has been arriving, as far as anybody has looked. */
  arrivingSince: number | undefined
}

export interface ConnectionsOptions {
  readonly connectionsMax: number
  readonly pipelinedMax: number
  readonly logger: Pick<Logger, 'warn'>
  /** Called for each new connection for which there was no room. */
  readonly onDropped: () => void
}

export class Connections {
  readonly #options: ConnectionsOptions
  /** The first is the one to look at next. */
  readonly #open = new Map<Duplex, Connection>()
  #warnedAt = -Infinity
  #closed = 0
  #dropped = 0

  constructor(options: ConnectionsOptions) {
    this.#options = options
  }

  get size(): number {
    return this.#open.size
  }

  /** Not Node's maxConnections: it drops the newest, and idle connections would lock clickers out. */
  add(socket: Socket): void {
    if (this.#open.size >= this.#options.connectionsMax && !this.#makeRoom()) {
      this.#dropped += 1
      this.#options.onDropped()
      this.#warn()
      socket.resetAndDestroy()
      return
    }
    this.#open.set(socket, { answers: [], arrivingSince: performance.now() })
    socket.once('close', () => this.#open.delete(socket))
  }

  /**
   * Whether the request may be taken in. A connection with too many that are not answered is closed:
   * Node would read on, and a packet of 64 KiB becomes megabytes of requests.
   */
  admit({ socket }: IncomingMessage, response: ServerResponse): boolean {
    const connection = this.#open.get(socket)
    if (connection === undefined) return false // closed a moment ago; this came in the same packet
    const { answers } = connection
    connection.arrivingSince = undefined
    if (answers.length === 1 && answers[0]?.writableFinished === true) {
      answers[0] = response // emptied and filled again, the array took 150 bytes more a request
      return true
    }
    while (answers[0]?.writableFinished === true) answers.shift()
    if (answers.length >= this.#options.pipelinedMax) {
      this.#open.delete(socket)
      socket.resetAndDestroy()
      return false
    }
    answers.push(response)
    return true
  }

  /** The last answer of a connection that is still to come, to a request that has arrived. */
  lastUnderWay(socket: Duplex): ServerResponse | undefined {
    const { answers = [] } = this.#open.get(socket) ?? {}
    return answers.findLast(({ req, writableFinished }) => req.complete && !writableFinished)
  }

  /** Closes those on which no request has arrived yet. */
  closeSilent(): void {
    for (const [socket, { answers }] of this.#open) if (answers.length === 0) socket.destroy()
  }

  /** Looks at each in turn, so that many who stay do not hide the one who may go. */
  #makeRoom(): boolean {
    const now = performance.now()
    let looks = Math.min(this.#open.size, LOOKS_MAX)
    for (const [socket, connection] of this.#open) {
      if ((looks -= 1) < 0) return false
      this.#open.delete(socket)
      if (mayGo(connection, now)) {
        socket.destroy()
        this.#closed += 1
        this.#warn()
        return true
      }
      this.#open.set(socket, connection)
    }
    return false
  }

  /** At most one line in ten seconds: whoever fills the house may fill it for long. */
  #warn(): void {
    const now = performance.now()
    if (now - this.#warnedAt < WARNING_INTERVAL_MS) return
    this.#options.logger.warn(
      `CONNECTIONS_MAX (${this.#options.connectionsMax}) is reached: ${this.#closed} idle or slow ` +
        `connections were closed to make room, ${this.#dropped} new ones found none`,
    )
    this.#warnedAt = now
    this.#closed = 0
    this.#dropped = 0
  }
}

function mayGo(connection: Connection, now: number): boolean {
  const latest = connection.answers.at(-1)
  if (latest?.writableFinished === true) return true
  if (latest?.req.complete === true) return false
  connection.arrivingSince ??= now
  return now - connection.arrivingSince >= PATIENCE_MS
}
