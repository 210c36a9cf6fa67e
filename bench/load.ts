import { connect, type Socket } from 'node:net'

export interface Load {
  /** Requests answered 200. */
  readonly requests: number
  readonly seconds: number
  /** Milliseconds from send to answer, sorted. */
  readonly latencies: Float64Array
}

const LATENCIES_MAX = 5_000_000
// What a browser sends with fetch(…, { method: 'POST' }) from the page of a shop.
const REQUEST_TAIL = [
  'Host: localhost:8080',
  'Connection: keep-alive',
  'Content-Length: 0',
  'sec-ch-ua-platform: "Linux"',
  'User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  'sec-ch-ua: "Chromium";v="142", "Not_A Brand";v="99"',
  'sec-ch-ua-mobile: ?0',
  'Accept: */*',
  'Origin: https://shop.example',
  'Sec-Fetch-Site: cross-site',
  'Sec-Fetch-Mode: cors',
  'Sec-Fetch-Dest: empty',
  'Referer: https://shop.example/',
  'Accept-Encoding: gzip, deflate, br, zstd',
  'Accept-Language: en-GB,en;q=0.9',
  '\r\n',
].join('\r\n')

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
        socket.write(`POST ${options.path()} HTTP/1.1\r\n${REQUEST_TAIL}`, 'latin1')
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
