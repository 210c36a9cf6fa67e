// Answers on the socket itself: to what the HTTP parser refused, to CONNECT and to Expect.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import { AppError } from '../errors.ts'
import { PROBLEM_HEADERS, problemOf, rawProblem, statusOf } from './problem.ts'

/** Request line and headers together; Node refuses what is longer. */
export const HEADER_BYTES_MAX = 16 * 1024
/** Whoever neither reads the answer nor closes is cut. */
const LINGER_MS = 1_000

/** The latest request of each connection. */
const latest = new WeakMap<Duplex, ServerResponse>()
const refused = new WeakSet<Duplex>()

/** `pathProblem` is what a method is answered that no route can have: 404 or 405 with its Allow. */
export function answerRefusals(
  server: Server,
  pathProblem: (message: IncomingMessage) => { error: AppError; headers: Record<string, string> },
): void {
  server.on('request', ({ socket }: IncomingMessage, response: ServerResponse) => {
    latest.set(socket, response)
  })
  server.on('checkExpectation', (_: IncomingMessage, response: ServerResponse) => {
    const error = new AppError('expectation_failed', 'Only "Expect: 100-continue" is understood.')
    const body = problemOf(error)
    response.shouldKeepAlive = false
    response
      .writeHead(statusOf(error), { ...PROBLEM_HEADERS, 'content-length': Buffer.byteLength(body) })
      .end(body)
  })
  server.on('connect', (message: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {}) // nobody else listens from here on
    const { error, headers } = pathProblem(message)
    refuse(socket, rawProblem(error, { headers }))
  })
}

/** Answers what the HTTP parser could not read. */
export function refuseUnreadable(error: ConnectionError, socket: Duplex): void {
  const packet: unknown = error.rawPacket // Fastify's type is the JSON of a Buffer
  const start = Buffer.isBuffer(packet)
    ? packet.subarray(0, HEADER_BYTES_MAX).toString('latin1')
    : ''
  refuse(socket, rawProblem(problemFor(error, start), { isHead: start.startsWith('HEAD ') }))
}

/**
 * Answers and closes, once, after the answers to what was read before: a click that is counted must
 * not be told that it was refused.
 */
function refuse(socket: Duplex, answer: string): void {
  if (refused.has(socket)) return
  refused.add(socket)
  const end = (): void => {
    if (socket.writable) socket.end(answer)
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
  const last = latest.get(socket)
  // A request that is not complete is the one that could not be read: this is its answer.
  const isUnderWay = last?.req.complete === true && !last.writableFinished
  if (isUnderWay) last.once('close', end)
  else end()
}

function problemFor({ code }: ConnectionError, start: string): AppError {
  const limit = `${HEADER_BYTES_MAX} bytes`
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return /^[A-Z]+ \S{16000}/.test(start)
        ? new AppError('uri_too_long', `The request line has more than ${limit}.`)
        : new AppError(
            'headers_too_large',
            `Request line and headers have more than ${limit}, or are too many.`,
          )
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request_timeout', 'The request did not arrive in time.')
    default:
      return new AppError('bad_request', 'This is not HTTP/1.1 that can be read.')
  }
}
