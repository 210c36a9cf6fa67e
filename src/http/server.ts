import { randomBytes } from 'node:crypto'
import { lookup } from 'node:dns/promises'
import type {
  IncomingMessage,
  RequestListener,
  ServerResponse,
  Server as HttpServer,
} from 'node:http'
import type { AddressInfo } from 'node:net'
import { fastify, type FastifyError, type FastifyInstance, type FastifyRequest } from 'fastify'
import { AppError, OperatorError } from '../errors.ts'
import type { Logger } from '../logger.ts'
import { checkAccess, type Tokens } from './access.ts'
import { Connections } from './connections.ts'
import { headerOf } from './header.ts'
import { limitLargeAnswers } from './large-answers.ts'
import { LIMITS, type Limits } from './limits.ts'
import { measured, measuredResponse, type AnswerCounter } from './measured-response.ts'
import { createServer, METHODS } from './node-http.ts'
import { allowHeader, pathProblem, pathsOf, type Paths } from './paths.ts'
import { sendProblem } from './problem.ts'
import { answerRefusals, HEADER_BYTES_MAX, refuseUnreadable } from './refusals.ts'
import { bannerIdOf, type Route } from './route.ts'
import { SECURITY_HEADERS } from './security-headers.ts'

/** A thousand that are over time at once hold the others up for 0.1 s; a look at 6,000 takes 1 ms. */
const CONNECTIONS_CHECK_MS = 250
/** Each costs more than its bytes, and Node does not count all of these. */
const HEADERS_MAX = 200
/** How long a stop waits for requests that are on their way on idle connections. */
const LAST_CALL_MS = 100
/** Until then those who were waiting have their answers. */
const LAST_ANSWERS_MS = 100

export interface ServerOptions {
  readonly host: string
  readonly port: number
  readonly routes: readonly Route[]
  readonly tokens: Tokens
  readonly logger: Logger
  readonly connectionsMax: number
  /** Called for each new connection for which there was no room. */
  readonly onDropped: () => void
  /** Who counts the answers of a route, by its path; without one, of what has none. */
  readonly answersOf: (path?: string) => AnswerCounter
  /** For tests: other limits than the usual ones. */
  readonly limits: Partial<Limits> | undefined
  /** How long a stop waits for requests under way before it cuts their connections. */
  readonly drainTimeoutMs: number
  /** Called a moment before they are cut: whoever waits can still be answered. */
  readonly beforeCut: () => void
}

export interface Server extends AsyncDisposable {
  /** `http://host:port` */
  readonly origin: string
  /** How many connections are open. */
  readonly connections: number
}

/** Listens; transport only. Disposal stops accepting, answers what is under way, then closes. */
export async function listen(options: ServerOptions): Promise<Server> {
  const limits = { ...LIMITS, connectionsMax: options.connectionsMax, ...options.limits }
  const connections = new Connections({ ...options, ...limits })
  const paths = pathsOf(options.routes)
  const app = createApp(options, connections, limits, paths)
  for (const route of options.routes) addRoute(app, route, options)
  app.setNotFoundHandler((request, reply) => {
    checkHead(request.raw)
    const allowed = paths.allowed(request.url)
    void reply.headers({ ...paths.refusalHeaders(request.url), ...allowHeader(allowed) })
    return sendProblem(reply, pathProblem(request.method, allowed))
  })
  answerRefusals(app.server, connections, options.answersOf(), paths)
  try {
    // One address of a name: for that of localhost Fastify would make a second server, which knows
    // none of these limits.
    const { address } = await lookup(options.host, { order: 'ipv4first' })
    await app.listen({ host: address, port: options.port })
  } catch (cause) {
    throw listenProblem(options, cause)
  }
  const { port } = app.server.address() as AddressInfo // it listens on TCP
  return {
    origin: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    get connections() {
      return connections.size
    },
    [Symbol.asyncDispose]: () => drain(app, connections, options),
  }
}

function createApp(
  { logger, answersOf }: Pick<ServerOptions, 'logger' | 'answersOf'>,
  connections: Connections,
  limits: Limits,
  paths: Paths,
): FastifyInstance {
  const idPrefix = randomBytes(4).toString('hex')
  let requests = 0
  const app: FastifyInstance = fastify<HttpServer>({
    logger: false, // no line a request; failures are logged below
    genReqId: () => `${idPrefix}-${(requests += 1).toString(36)}`,
    exposeHeadRoutes: false, // a HEAD must not count, so the table says which routes have one
    return503OnClosing: false,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: HEADER_BYTES_MAX },
    serverFactory: (handle) => createHttpServer(handle, connections, limits, answersOf()),
    clientErrorHandler: (error, socket) =>
      refuseUnreadable(error, socket, connections, answersOf()),
    // Before any hook, so without its headers.
    frameworkErrors: (error, request, reply) => {
      void reply.headers({ ...SECURITY_HEADERS, ...paths.refusalHeaders(request.url) })
      void sendProblem(reply, appErrorOf(error))
    },
  })
  limitLargeAnswers(app, limits.largeAnswersMax)
  // Bodies are read by the handlers: their limits and checks come in an order of their own, and
  // counting ignores what a body holds. So Fastify, which would parse first, is told of none.
  for (const method of METHODS) {
    if (method !== 'CONNECT') app.addHttpMethod(method, { hasBody: false, overrideExisting: true })
  }
  app.addHook('onSend', async (_request, reply) => {
    // A route may have its own: those of pages and of counting requests differ.
    reply.headers({ ...SECURITY_HEADERS, ...reply.getHeaders() })
  })
  app.setErrorHandler((error: FastifyError | AppError, request, reply) => {
    const known = appErrorOf(error)
    if (known.code === 'internal_error') {
      logger.error({ requestId: request.id, err: error }, 'A request failed')
    }
    // The handler may not have been asked: its answers' headers are on its refusals all the same.
    return sendProblem(reply.headers(paths.refusalHeaders(request.url)), known)
  })
  return app
}

/** Fastify's handler behind the limits of connections. */
function createHttpServer(
  handle: RequestListener,
  connections: Connections,
  limits: Limits,
  noRoute: AnswerCounter,
): HttpServer {
  const server = createServer(
    {
      // It is one, but for a type parameter of each.
      ServerResponse: measuredResponse(noRoute) as typeof ServerResponse,
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: limits.headersTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      keepAliveTimeout: limits.keepAliveTimeoutMs,
      connectionsCheckingInterval: CONNECTIONS_CHECK_MS,
      requireHostHeader: false, // Node would answer without a body; checkHead does it
    },
    (message, response) => {
      // Node throws away what came in one packet behind an Upgrade: whoever sent it must not wait for an answer.
      if (message.headers.upgrade !== undefined) response.shouldKeepAlive = false
      if (connections.admit(message, response)) handle(message, response)
    },
  )
  server.timeout = limits.stallTimeoutMs
  // Whoever has sent all it wants to (`nc -N`) may say so, and still gets the answers: its clicks are counted.
  // Node has had it since its beginnings, and types do not tell of it.
  Object.assign(server, { httpAllowHalfOpen: true })
  // checkHead bounds their number. Node 24.12 drops those beyond its bound in silence: a second key,
  // or a length, would not be seen.
  server.maxHeadersCount = 0
  return server.on('connection', (socket) => connections.add(socket))
}

function addRoute(
  app: FastifyInstance,
  { methods, path, access, handle }: Route,
  { tokens, answersOf }: Pick<ServerOptions, 'tokens' | 'answersOf'>,
): void {
  const answers = answersOf(path)
  app.route({
    method: [...methods],
    url: path,
    handler: (request, reply) => {
      measured(reply.raw).answers = answers
      checkHead(request.raw)
      checkPath(request)
      if (access !== 'open') {
        if (path.includes(':bannerId')) bannerIdOf(request)
        checkAccess(access, tokens, request.raw)
      }
      return handle(request, reply)
    },
  })
}

/** The router takes an empty parameter for one, and the target `*` for the path `/`. */
function checkPath({ params, raw }: FastifyRequest): void {
  // Fastify types parameters per route; the table holds routes of all kinds.
  if ((params as { bannerId?: string }).bannerId === '' || raw.url === '*')
    throw pathProblem('', [])
}

function checkHead(message: IncomingMessage): void {
  const { httpVersion, rawHeaders } = message
  if (rawHeaders.length > HEADERS_MAX * 2) {
    throw new AppError('headers_too_large', `The request has more than ${HEADERS_MAX} headers.`)
  }
  if (httpVersion !== '1.1' && httpVersion !== '1.0') {
    throw new AppError('bad_request', 'Only HTTP/1.1 and HTTP/1.0 are understood.')
  }
  const host = headerOf(message, 'host')
  if (host === undefined && httpVersion === '1.1') {
    throw new AppError('bad_request', 'An HTTP/1.1 request needs the header Host.')
  }
  // One that is given twice arrives joined by ", ".
  if (host?.includes(' ') === true) {
    throw new AppError('bad_request', 'The header Host must be given once, without blanks.')
  }
}

function appErrorOf(error: Error): AppError {
  if (error instanceof AppError) return error
  // Fastify's own refusals; whatever else arrives here is a mistake of ours.
  if ('code' in error && error.code === 'FST_ERR_BAD_URL') {
    return new AppError('bad_request', 'The path is not valid percent-encoded UTF-8.')
  }
  return new AppError('internal_error', 'Something failed here; the log has more.', {
    cause: error,
  })
}

function listenProblem({ host, port }: ServerOptions, cause: unknown): OperatorError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined
  switch (code) {
    case 'EADDRINUSE':
      return new OperatorError(`Port ${port} of ${host} is taken; set PORT to a free one.`, {
        cause,
      })
    case 'EACCES':
      return new OperatorError(`Port ${port} needs more rights; set PORT to one above 1023.`, {
        cause,
      })
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      // A wrong value like any other, though only the system can tell.
      return new OperatorError(`HOST ${host} is no address here.`, { exitCode: 2, cause })
    default:
      return new OperatorError(`Cannot listen on ${host}, port ${port}: ${String(cause)}`, {
        cause,
      })
  }
}

async function drain(
  app: FastifyInstance,
  connections: Connections,
  { drainTimeoutMs, beforeCut }: Pick<ServerOptions, 'drainTimeoutMs' | 'beforeCut'>,
): Promise<void> {
  // An idle connection may have its next request on the way, which would get no answer if the
  // connection were closed now. Answers close their connections from here on.
  const closeIdle = app.server.closeIdleConnections.bind(app.server)
  app.server.closeIdleConnections = () => {}
  const lastCall = setTimeout(() => {
    app.server.closeIdleConnections = closeIdle
    closeIdle()
    // Browsers connect in advance. Node would wait for such a connection's first request, which may
    // never come.
    connections.closeSilent()
  }, LAST_CALL_MS)
  const lastAnswers = setTimeout(beforeCut, drainTimeoutMs)
  // A reader that never reads, a sender that never ends: cut, they hold no acknowledged click back.
  const cut = setTimeout(() => app.server.closeAllConnections(), drainTimeoutMs + LAST_ANSWERS_MS)
  await app.close()
  for (const timer of [lastCall, lastAnswers, cut]) clearTimeout(timer)
}
