// Answers on the socket itself: to what the HTTP parser refused, to CONNECT and to Expect.
import type { IncomingMessage, Server, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { ConnectionError } from 'fastify'
import { AppError } from '../errors.ts'
import type { Connections } from './connections.ts'
import type { AnswerCounter } from './measured-response.ts'
import { allowHeader, pathProblem, type Paths } from './paths.ts'
import { PROBLEM_HEADERS, problemOf, rawProblem, statusOf } from './problem.ts'

/** Request line and headers together; Node refuses what is longer. */
export const HEADER_BYTES_MAX = 16 * 1024
/** Whoever neither reads the answer nor closes is cut. */
const LINGER_MS = 1_000

const refused = new WeakSet<Duplex>()

export function answerRefusals(
  server: Server,
  connections: Pick<Connections, 'lastUnderWay'>,
  answers: AnswerCounter,
  paths: Paths,
): void {
  server.on('checkExpectation', (message: IncomingMessage, response: ServerResponse) => {
    const error = new AppError('expectation_failed', 'Only "Expect: 100-continue" is understood.')
    const body = problemOf(error)
    response.shouldKeepAlive = false
    response
      .writeHead(statusOf(error), {
        ...PROBLEM_HEADERS,
        ...paths.refusalHeaders(message.url ?? ''),
        'content-length': Buffer.byteLength(body),
      })
      .end(body)
  })
  // No route has this method, so it is 404 or 405.
  server.on('connect', ({ method = '', url = '' }: IncomingMessage, socket: Duplex) => {
    socket.on('error', () => {}) // nobody else listens from here on
    const allowed = paths.allowed(url)
    const error = pathProblem(method, allowed)
    const headers = { ...paths.refusalHeaders(url), ...allowHeader(allowed) }
    answers.count(statusOf(error), 0)
    refuse(socket, rawProblem(error, { headers }), connections.lastUnderWay(socket))
  })
}

/** Answers what the HTTP parser could not read. */
export function refuseUnreadable(
  error: ConnectionError,
  socket: Duplex,
  connections: Pick<Connections, 'lastUnderWay'>,
  answers: AnswerCounter,
): void {
  if (refused.has(socket)) return
  const packet: unknown = error.rawPacket // Fastify's type is the JSON of a Buffer
  const start = Buffer.isBuffer(packet)
    ? packet.subarray(0, HEADER_BYTES_MAX).toString('latin1')
    : ''
  const problem = problemFor(error, start)
  const answer = rawProblem(problem, { isHead: start.startsWith('HEAD ') })
  answers.count(statusOf(problem), 0)
  refuse(socket, answer, connections.lastUnderWay(socket))
}

/**
 * Answers and closes, once, after the answers to what was read before: a click that is counted must
 * not be told that it was refused.
 */
function refuse(socket: Duplex, answer: string, lastUnderWay: ServerResponse | undefined): void {
  if (refused.has(socket)) return
  refused.add(socket)
  const end = (): void => {
    if (socket.writable) socket.end(answer)
    setTimeout(() => socket.destroy(), LINGER_MS).unref()
  }
  if (lastUnderWay === undefined) end()
  else lastUnderWay.once('close', end)
}

function problemFor({ code }: ConnectionError, start: string): AppError {
  const limit = `${HEADER_BYTES_MAX} bytes`
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return /^[A-Z]+ \S{16000}/.test(start)
        ? new AppError('uri_too_long', `The request line has more than ${limit}.`)
        : new AppError('headers_too_large', `Request line and headers have more than ${limit}.`)
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return new AppError('request_timeout', 'The request did not arrive in time.')
    default:
      return new AppError('bad_request', 'This is not HTTP/1.1 that can be read.')
  }
}
