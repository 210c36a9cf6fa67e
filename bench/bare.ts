// What Tallymark is measured against: a Fastify route that answers the same body and headers, and does
// nothing.
import { fastify } from 'fastify'
import { OPEN_SECURITY_HEADERS } from '../src/http/security-headers.ts'

const app = fastify()
app.post('/counter/:bannerId', async (_request, reply) =>
  reply
    .headers(OPEN_SECURITY_HEADERS)
    .header('content-type', 'application/json; charset=utf-8')
    .header('cache-control', 'no-store')
    .header('access-control-allow-origin', '*')
    .send('{"status":"accepted"}'),
)
await app.listen({ host: '127.0.0.1', port: Number(process.argv[2]) })
