import type { FastifyReply, FastifyRequest } from 'fastify'
import { AppError } from '../errors.ts'
import type { ClickSink } from '../log/click-log.ts'
import type { Metrics } from '../metrics.ts'
import { sendProblem } from './problem.ts'

/** `/healthz`: the process serves. */
export async function healthz(_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> {
  return reply.header('cache-control', 'no-store').send({ status: 'ok' })
}

/** `/readyz`: whether a click would be counted now, and the state of each part. */
export function readyz(registry: { readonly isLoaded: boolean }, sink: Pick<ClickSink, 'state'>) {
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    const { waiting, trouble } = sink.state()
    const parts = {
      registry: { status: registry.isLoaded ? 'ok' : 'not loaded' },
      log: { status: trouble ?? 'ok', waiting },
    }
    if (registry.isLoaded && trouble === undefined) {
      return reply.header('cache-control', 'no-store').send({ status: 'ready', parts })
    }
    const error = new AppError('not_ready', 'Clicks cannot be counted at the moment.')
    return sendProblem(reply, error, { parts })
  }
}

/** `/metrics`, in the text format of Prometheus. */
export function metricsPage({ registry }: Pick<Metrics, 'registry'>) {
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> =>
    reply
      .header('content-type', registry.contentType)
      .header('cache-control', 'no-store')
      .send(await registry.metrics())
}
