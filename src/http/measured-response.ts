import { ServerResponse, type OutgoingHttpHeader, type OutgoingHttpHeaders } from 'node:http'

/** Counts answers; of a route, or of requests that have none. */
export interface AnswerCounter {
  count(status: number, seconds: number): void
}

/** An answer that is counted when its head is written. */
export interface MeasuredResponse {
  /** Of the route, once it is known. */
  answers: AnswerCounter
}

/**
 * The class of a server's responses. Every answer writes its head once, however it is made; a listener of
 * the response's end, which Fastify would set for a hook, takes ten times as long.
 */
export function measuredResponse(noRoute: AnswerCounter) {
  return class extends ServerResponse implements MeasuredResponse {
    answers = noRoute
    readonly #since = performance.now()

    override writeHead(
      status: number,
      ...rest: (string | OutgoingHttpHeaders | OutgoingHttpHeader[] | undefined)[]
    ): this {
      this.answers.count(status, (performance.now() - this.#since) / 1_000)
      // One of the forms that Node has of it, as it was called.
      return super.writeHead(status, ...(rest as [OutgoingHttpHeaders?]))
    }
  }
}
