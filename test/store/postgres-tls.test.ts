// What DATABASE_URL says of TLS is what the driver does.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { reasonOf } from '../../src/errors.ts'
import { emptyDatabase, openAt } from '../support/postgres-store.ts'
import { temporaryFolder } from '../support/service.ts'

/** Speaks TLS, and hands on to a Postgres behind it that does not. */
async function startProxy(behind: string, cert: string, key: string) {
  const { hostname, port } = new URL(behind)
  const server = createServer((socket) => {
    socket.on('error', () => {})
    // A client begins by asking for TLS, in 8 bytes; S is yes.
    socket.once('data', () => {
      socket.write('S')
      const secure = new TLSSocket(socket, { isServer: true, cert, key })
      const postgres = connect(Number(port), hostname)
      for (const each of [secure, postgres]) each.on('error', () => socket.destroy())
      secure.pipe(postgres).pipe(secure)
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = new URL(behind)
  url.port = String((server.address() as AddressInfo).port) // it listens on TCP
  return { url, [Symbol.dispose]: () => void server.close() }
}

test('TLS is used as the URL says, and a server that nobody vouches for is refused', async () => {
  using folder = temporaryFolder()
  const [cert, key] = ['cert', 'key'].map((name) => join(folder.path, name))
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const names = ['-subj', '/CN=x', '-addext', 'subjectAltName=IP:127.0.0.1']
  const files = ['-keyout', String(key), '-out', String(cert)]
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, ...files], { stdio: 'ignore' })
  const { url } = await emptyDatabase()
  const read = (path?: string) => readFileSync(String(path), 'utf8')
  using proxy = await startProxy(url, read(cert), read(key))
  const opened = async (search: string) => {
    proxy.url.search = search
    await (await openAt(proxy.url.href))[Symbol.asyncDispose]()
  }
  await opened(`?sslrootcert=${cert}`)
  await opened(`?sslmode=verify-full&sslrootcert=${cert}`)
  await opened('?sslmode=no-verify')
  for (const search of ['?sslmode=require', '?sslmode=prefer', '?ssl=true']) {
    await assert.rejects(opened(search), (error: Error) => {
      assert.match(reasonOf(error), /self-signed certificate/)
      return true
    })
  }
})
