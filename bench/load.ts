import { connect, type Socket } from 'node:net'

export interface Load {
  /** Requests answered 200. */
  readonly requests: number
  readonly seconds: number
  /** Milliseconds from send to answer, sorted. */
  readonly latencies: Float64Array
}

const LATENCIES_MAX = 5_000_000

/**
 * Closed-loop load from raw sockets: each connection sends its next request when its answer is
 * there. An HTTP client in JavaScript would cost more than the server that it measures.
 */
export async function load(options: {
  readonly port: number
  readonly connections: number
  /** Gives the path of the next request. */
  readonly path: () => string
  /** Ends the load, when it returns true. */
  readonly isOver: (requests: number) => boolean
}): Promise<Load> {
  const latencies = new Float64Array(LATENCIES_MAX)
  let requests = 0
  const startedAt = performance.now()
  const connection = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const socket = connect(options.port, '127.0.0.1').setNoDelay(true)
      let sentAt = 0
      const send = (): void => {
        sentAt = performance.now()
        socket.write(
          `POST ${options.path()} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n`,
          'latin1',
        )
      }
      onAnswers(socket, reject, () => {
        latencies[requests % LATENCIES_MAX] = performance.now() - sentAt
        requests += 1
        if (!options.isOver(requests)) return send()
        socket.destroy()
        return resolve()
      })
      socket.on('connect', send)
      socket.on('error', reject)
    })
  await Promise.all(Array.from({ length: options.connections }, connection))
  return {
    requests,
    seconds: (performance.now() - startedAt) / 1_000,
    latencies: latencies.slice(0, Math.min(requests, LATENCIES_MAX)).toSorted(),
  }
}

/** All answers of one server have one length, so after the first one only bytes are counted. */
function onAnswers(socket: Socket, fail: (error: Error) => void, onAnswer: () => void): void {
  let length = 0
  let received = 0
  socket.on('data', (chunk) => {
    if (length === 0) {
      const text = chunk.toString('latin1')
      const body = Number(/content-length: (\d+)/i.exec(text)?.[1])
      length = text.indexOf('\r\n\r\n') + 4 + body
    }
    if (received === 0 && chunk.toString('latin1', 9, 12) !== '200') {
      fail(new Error(`answered ${chunk.toString('latin1')}`))
      return
    }
    received += chunk.length
    if (received < length) return
    received = 0
    onAnswer()
  })
}
