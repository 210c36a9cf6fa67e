import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'

/**
 * Bounds how many answers of many rows are sent at once: such an answer stays in memory until its
 * reader has taken all of it, and a reader may take its time. Large files keep a file open instead.
 */
export function limitLargeAnswers(app: FastifyInstance, answersMax: number): void {
  let answers = 0
  app.addHook('onSend', async (_request, reply, payload) => {
    if (!(payload instanceof Readable)) return payload
    // Its reader left while it was made, and will not leave again: the room would be taken for ever.
    if (reply.raw.destroyed) return payload
    if (answers >= answersMax) {
      payload.destroy()
      // They tell of the body that is not sent.
      void reply.removeHeader('content-encoding').removeHeader('etag')
      throw new AppError('overloaded', 'Too many large answers are being sent; see Retry-After.')
    }
    answers += 1
    reply.raw.once('close', () => (answers -= 1))
    return payload
  })
}
