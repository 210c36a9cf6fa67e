import { Readable } from 'node:stream'
import type { FastifyInstance } from 'fastify'
import { AppError } from '../errors.ts'

/**
 * Bounds how many answers of many rows are sent at once: such an answer stays in memory until its
 * reader has taken all of it, and a reader may take its time.
 */
export function limitLargeAnswers(app: FastifyInstance, answersMax: number): void {
  let answers = 0
  app.addHook('onSend', async (_request, { raw }, payload) => {
    if (!(payload instanceof Readable)) return payload
    if (answers >= answersMax) {
      payload.destroy()
      throw new AppError('overloaded', 'Too many large answers are being sent; see Retry-After.')
    }
    answers += 1
    raw.once('close', () => (answers -= 1))
    return payload
  })
}
