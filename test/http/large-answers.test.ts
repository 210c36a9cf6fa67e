import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { Readable } from 'node:stream'
import { test } from 'node:test'
import { fastify } from 'fastify'
import { AppError } from '../../src/errors.ts'
import { limitLargeAnswers } from '../../src/http/large-answers.ts'

test('whoever left before its large answer was there takes no room', async (t) => {
  const server = fastify({ forceCloseConnections: true })
  t.after(() => server.close())
  limitLargeAnswers(server, 1)
  const asked = Promise.withResolvers<void>()
  const left = Promise.withResolvers<void>()
  server.get('/slow', async (_request, reply) => {
    asked.resolve()
    await once(reply.raw, 'close')
    left.resolve()
    return reply.send(Readable.from(['large']))
  })
  server.get('/', async (_request, reply) => reply.send(Readable.from(['large'])))
  server.setErrorHandler((error, _request, reply) => {
    assert.ok(error instanceof AppError)
    return reply.code(503).send(error.code)
  })
  const origin = await server.listen({ host: '127.0.0.1', port: 0 })
  const socket = connect(Number(new URL(origin).port), '127.0.0.1')
  socket.write('GET /slow HTTP/1.1\r\nHost: x\r\n\r\n')
  await asked.promise
  socket.destroy()
  await left.promise
  const answer = await fetch(origin)
  assert.equal(answer.status, 200, await answer.text())
})
