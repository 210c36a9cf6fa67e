import type {
  OutgoingHttpHeader,
  OutgoingHttpHeaders,
  ServerResponse as NodeResponse,
} from 'node:http'
import { ServerResponse } from './node-http.ts'

/** Counts answers; of a route, or of requests that have none. */
export interface AnswerCounter {
  count(status: number, seconds: number): void
}

/** An answer that is counted when its head is written. */
export interface MeasuredResponse {
  /** Of the route, once it is known. */
  answers: AnswerCounter
  /** From the receipt of the request's head to that of the answer. */
  seconds: number
}

type Headers = OutgoingHttpHeaders | OutgoingHttpHeader[]

/**
 * The class of a server's responses. Every answer writes its head once, however it is made, and so costs two
 * looks at the clock. A hook of Fastify would set listeners of each response.
 */
export function measuredResponse(noRoute: AnswerCounter) {
  return class extends ServerResponse implements MeasuredResponse {
    answers = noRoute
    seconds = 0
    readonly #since = performance.now()

    override writeHead(status: number, reason?: string | Headers, headers?: Headers): this {
      this.seconds = (performance.now() - this.#since) / 1_000
      this.answers.count(status, this.seconds)
      // Node tells its two forms apart by the type of the second argument.
      return super.writeHead(status, reason as string, headers)
    }
  }
}

/** A response as its server made it. Only those of `measuredResponse` come here. */
export function measured(response: NodeResponse): MeasuredResponse {
  return response as NodeResponse & MeasuredResponse
}
