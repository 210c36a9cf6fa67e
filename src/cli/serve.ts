import type { App } from '../app.ts'
import { readConfig, type Config } from '../config.ts'
import { OperatorError } from '../errors.ts'
import { createLogger, type Logger } from '../logger.ts'
import { VERSION } from '../version.ts'
import { parseArguments, type Command } from './command.ts'
import { countOf } from './count-of.ts'

/** Ctrl-C reaches a program under npm two or three times at once; that is one wish to stop. */
const REPEAT_IGNORED_MS = 1_000

export const serve: Command = {
  name: 'serve',
  summary: 'count clicks and answer questions about them (default)',
  help: `Usage: tallymark [serve]

Counts clicks and answers questions about them over HTTP, until SIGTERM, SIGINT
or SIGHUP. Then it settles what is under way and exits with 0, or with 1 if
something could not be settled in SHUTDOWN_TIMEOUT_MS.

Settings come from the environment and, below it, from .env in the working
directory; docs/configuration.md lists them. Without any it listens on
http://127.0.0.1:8080 and keeps its database in ./data.

Example:
  PORT=9000 DATA_DIR=/var/lib/tallymark tallymark serve
`,
  run: async (args) => {
    parseArguments(args, {})
    return serveUntilSignal()
  },
}

async function serveUntilSignal(): Promise<number> {
  const config = readConfig()
  const logger = createLogger(config.log)
  for (const warning of config.warnings) logger.warn(warning)
  let app: App | undefined
  // A signal during the start must not kill it halfway.
  const stopped = stopSignal((signal) => {
    logger.error(`Ended at once by a second ${signal}: ${leftBy(app) ?? 'no click was waiting'}`)
  })
  // Not among the imports above, which are loaded before the first line runs.
  const { startApp } = await import('../app.ts')
  app = await startApp(config, logger)
  logger.info(`Tallymark ${VERSION} (${shapeOf(config)}) listens on ${app.origin}`)
  try {
    await Promise.race([stopped, app.failed])
  } catch (error) {
    if (!(error instanceof OperatorError)) throw error
    logger.fatal(error.message)
    return error.exitCode
  }
  return stop(app, config, logger)
}

/** Which click log and store it is, and whether `.env` says so. */
export function shapeOf({ store, clickLog, envFile }: Config): string {
  const log = clickLog.kind === 'kafka' ? `${clickLog.label}, role ${clickLog.role}, and ` : ''
  const values = envFile === undefined ? '' : `, values from ${envFile}`
  const shape = store.kind === 'sqlite' ? `embedded SQLite in ${store.folder}` : store.label
  return `${log}${shape}${values}`
}

async function stop(app: App, config: Config, logger: Logger): Promise<number> {
  const { promise: gaveUp, resolve: giveUp } = Promise.withResolvers<false>()
  const timer = setTimeout(() => giveUp(false), config.shutdownTimeoutMs)
  const settled = app[Symbol.asyncDispose]().then(() => true)
  const isSettled = await Promise.race([settled, gaveUp, app.failed])
  clearTimeout(timer)
  if (isSettled) {
    logger.info(`Stopped; ${settledBy(config)}`)
    return 0
  }
  const left = leftBy(app) ?? 'no click was waiting, but a connection or the store did not close'
  logger.error(`Gave up stopping after ${config.shutdownTimeoutMs} ms: ${left}`)
  return 1
}

/** Undefined: no click. What is under way may still land. */
function leftBy(app: App | undefined): string | undefined {
  const waiting = app?.waiting() ?? 0
  if (waiting === 0) return undefined
  return `${countOf(waiting, 'click')} not acknowledged, which may be counted or not`
}

/** With Kafka, clicks may wait in the log for whoever counts them next. */
function settledBy({ clickLog }: Config): string {
  if (clickLog.kind === 'direct') return 'every acknowledged click is counted'
  return clickLog.role === 'aggregator'
    ? 'what is not counted yet waits in the click log'
    : 'every acknowledged click is durable in the click log'
}

/** Resolves at the first signal. One that comes a second later or more ends the process at once. */
function stopSignal(beforeEnd: (signal: NodeJS.Signals) => void): Promise<void> {
  return new Promise((resolve) => {
    let first: number | undefined
    const onSignal = (signal: NodeJS.Signals): void => {
      first ??= performance.now()
      if (performance.now() - first > REPEAT_IGNORED_MS) {
        beforeEnd(signal)
        process.exit(1)
      }
      resolve()
    }
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, onSignal)
  })
}
