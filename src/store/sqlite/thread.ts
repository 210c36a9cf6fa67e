import { parentPort, Worker } from 'node:worker_threads'
import { AppError, OperatorError } from '../../errors.ts'
import { isOfTheDisk, isPassing } from './failure.ts'

/** Node would give each thread some tens of megabytes for short-lived objects. */
const YOUNG_GENERATION_MB = 4

/** The functions that a thread offers, by name. */
type Calls = Record<string, (argument: never) => unknown>

interface Request {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

type Reply = { readonly id: number; readonly value: unknown } | ({ readonly id: number } & Failure)

interface Failure {
  readonly failure: string
  /** The call may succeed later. */
  readonly isPassing: boolean
  readonly isOfTheDisk: boolean
}

interface Pending {
  readonly resolve: (value: never) => void
  readonly reject: (error: Error) => void
}

/** In the thread: answers calls one after the other, in the order in which they were made. */
export function serveCalls(calls: Calls): void {
  const port = parentPort
  if (port === null) throw new Error('not in a thread')
  port.on('message', ({ id, name, argument }: Request) => {
    port.postMessage(answer(calls, id, name, argument))
  })
}

function answer(calls: Calls, id: number, name: string, argument: unknown): Reply {
  try {
    // The caller's side is typed by the same `Calls`, so the argument is the function's.
    return { id, value: calls[name]?.(argument as never) }
  } catch (error) {
    return {
      id,
      failure: String(error),
      isPassing: isPassing(error),
      isOfTheDisk: isOfTheDisk(error),
    }
  }
}

/**
 * A thread of SQLite calls: node:sqlite is synchronous, and a commit waits for the disk.
 * A call rejects with `store_unavailable` when it may succeed later, with another error when not.
 */
export class Thread<T extends Calls> implements AsyncDisposable {
  readonly #worker: Worker
  readonly #pending = new Map<number, Pending>()
  #lastId = 0
  #death: Error | undefined
  #failure: Error | undefined

  /** `script` is a module beside this one, by its name without extension. */
  constructor(script: string, workerData: unknown) {
    // .ts in the sources, .js in the package: tsc does not rewrite URLs.
    const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'))
    this.#worker = new Worker(new URL(`./${script}${extension}`, import.meta.url), {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
    })
    this.#worker.on('message', (reply: Reply) => this.#settle(reply))
    this.#worker.on('error', (error) => this.#die(error))
    this.#worker.on('exit', () => this.#die(new Error(`the ${script} thread ended`)))
  }

  /** What a call failed with that does not pass: the thread's work cannot be trusted any more. */
  get failure(): Error | undefined {
    return this.#failure ?? this.#death
  }

  /** Calls that are not answered yet. */
  get waiting(): number {
    return this.#pending.size
  }

  call<N extends keyof T & string>(
    name: N,
    argument: Parameters<T[N]>[0],
  ): Promise<ReturnType<T[N]>> {
    if (this.#death !== undefined) return Promise.reject(this.#death)
    this.#lastId += 1
    const request: Request = { id: this.#lastId, name, argument }
    return new Promise((resolve, reject) => {
      this.#pending.set(request.id, { resolve, reject })
      this.#worker.postMessage(request)
    })
  }

  #settle(reply: Reply): void {
    const pending = this.#pending.get(reply.id)
    this.#pending.delete(reply.id)
    // The thread's side is typed by the same `Calls`, so the value is the function's.
    if ('value' in reply) {
      pending?.resolve(reply.value as never)
      return
    }
    const failure = failureOf(reply)
    if (!reply.isPassing) this.#failure ??= failure
    pending?.reject(failure)
  }

  #die(error: Error): void {
    this.#death ??= error
    for (const { reject } of this.#pending.values()) reject(error)
    this.#pending.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#worker.terminate()
  }
}

/** What SQLite said is the cause, for the log alone: callers are not shown internals. */
function failureOf({ failure, ...is }: Failure): Error {
  const cause = new Error(failure)
  if (is.isPassing) {
    return new AppError('store_unavailable', 'The store is away; see Retry-After.', { cause })
  }
  return is.isOfTheDisk
    ? new OperatorError(
        `The database failed: ${failure}. What was acknowledged is in it; start again when the disk is well.`,
        { cause },
      )
    : new Error(`the store failed: ${failure}`, { cause })
}
