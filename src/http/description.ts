import type { FastifyReply, FastifyRequest } from 'fastify'

/** `/openapi.json`; made once. */
export function descriptionOf(describe: () => Promise<object>) {
  let text: Promise<string> | undefined
  return async (_: FastifyRequest, reply: FastifyReply): Promise<FastifyReply> => {
    text ??= describe().then((document) => JSON.stringify(document))
    return reply
      .header('content-type', 'application/json; charset=utf-8')
      .header('cache-control', 'no-cache')
      .send(await text)
  }
}
