// What DATABASE_URL may say, and how it is refused: before the driver sees it, and without the password.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { parseConfig } from '../src/config.ts'
import { OperatorError } from '../src/errors.ts'
import { postgresUrl } from '../src/postgres-url.ts'
import { temporaryFolder } from './support/service.ts'

const folder = temporaryFolder()
after(() => folder[Symbol.dispose]())

/** The two files of a certificate that signs itself. */
function certificate(name: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder.path, `${name}.pem`), join(folder.path, `${name}.key`)]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
  const files = ['-subj', '/CN=db', '-keyout', key, '-out', cert]
  execFileSync('openssl', ['req', '-x509', ...kind, ...files], { stdio: 'ignore' })
  return { cert, key }
}

test('a URL names host, port, user, password and database, and what it leaves out has a default', () => {
  for (const [url, expected] of [
    ['postgresql://me:p%40ss%2F%3F%23@db:6432/clicks', ['db', 6_432, 'me', 'p@ss/?#', 'clicks']],
    ['postgres://db', ['db', 5_432, 'postgres', undefined, 'postgres']],
    ['postgresql:///', ['localhost', 5_432, 'postgres', undefined, 'postgres']],
    ['postgresql://me@[::1]/', ['::1', 5_432, 'me', undefined, 'me']],
    ['postgresql://%2Frun%2Fpg/a', ['/run/pg', 5_432, 'postgres', undefined, 'a']],
    ['postgresql:///a?host=/run/pg&port=6432', ['/run/pg', 6_432, 'postgres', undefined, 'a']],
    ['postgresql://elsewhere:1/a?host=db&port=2', ['db', 2, 'postgres', undefined, 'a']],
    [
      'postgresql://db/a?application_name=x&connect_timeout=5&target_session_attrs=read-write',
      ['db', 5_432, 'postgres', undefined, 'a'],
    ],
    ['  postgresql://db/clicks \n', ['db', 5_432, 'postgres', undefined, 'clicks']],
  ] as const) {
    const { host, port, user, password, database, ssl } = postgresUrl(url)
    assert.deepEqual([host, port, user, password, database], expected, url)
    assert.equal(ssl, false)
  }
})

test('the label names the place that is used', () => {
  const labelOf = (url: string) => {
    const { store } = parseConfig({ DATABASE_URL: url })
    return store.kind === 'postgres' ? store.label : undefined
  }
  assert.equal(labelOf('postgresql://me:x@a:1/c?host=db&port=2'), 'Postgres at db:2/c')
  assert.equal(labelOf('postgresql:///c?host=/run/pg'), 'Postgres at /run/pg:5432/c')
  assert.equal(labelOf('postgresql://me@[::1]'), 'Postgres at [::1]:5432/me')
})

test('ssl and sslmode say whether TLS is used, and whether the server is verified', () => {
  for (const [parameters, expected] of Object.entries({
    '': false,
    'sslmode=disable': false,
    'ssl=false': false,
    'ssl=0': false,
    'ssl=true': {},
    'ssl=1': {},
    'sslmode=prefer': {},
    'sslmode=require': {},
    'sslmode=verify-ca': {},
    'sslmode=verify-full': {},
    'sslmode=no-verify': { rejectUnauthorized: false },
    'ssl=no-verify': { rejectUnauthorized: false },
  })) {
    assert.deepEqual(postgresUrl(`postgresql://db/clicks?${parameters}`).ssl, expected, parameters)
  }
  const one = certificate('one')
  const [ca, key] = [one.cert, one.key].map((path) => readFileSync(path, 'utf8').trim())
  assert.deepEqual(postgresUrl(`postgresql://db/a?sslrootcert=${one.cert}`).ssl, { ca })
  assert.deepEqual(postgresUrl(`postgresql://db/a?sslcert=${one.cert}&sslkey=${one.key}`).ssl, {
    cert: ca,
    key,
  })
})

test('O8: a URL that the driver could not use is refused by rule, and its password is not shown', () => {
  const [one, other] = [certificate('a'), certificate('b')]
  writeFileSync(join(folder.path, 'text'), 'no certificate')
  const form =
    'must be postgresql://user:password@host:port/database, with special characters percent-encoded'
  const known =
    'has a parameter that is none of host, port, ssl, sslmode, sslrootcert, sslcert, sslkey'
  const mode =
    'has a parameter sslmode that must be one of disable, prefer, require, verify-ca, verify-full, no-verify'
  for (const [rest, rule] of Object.entries({
    'db:99999/a': form,
    'db:0/a': form,
    'one,two/a': form,
    'db:1,db:2/a': form,
    'db/%zz': form,
    'db/%00': form,
    'db/a#b': form,
    'db/a\nb': form,
    'db/a?port=abc': 'has a parameter port that must be an integer from 1 to 65535',
    'db/a?port=99999': 'has a parameter port that must be an integer from 1 to 65535',
    'db/a?port=': 'has a parameter port that must be an integer from 1 to 65535',
    'db/a?port=1&port=2': 'has the parameter port twice',
    'db/a?host=db:5432':
      'has a parameter host that must be a host, or the folder of a socket, from the root; no URL, and without a port',
    'db/a?statement_timeout=abc': known,
    'db/a?constructor=x': known,
    'db/a?SSLMODE=require': known,
    'db/a?sslmode=verify-ful': mode,
    'db/a?sslmode=': mode,
    'db/a?ssl=nope': 'has a parameter ssl that must be one of true, 1, false, 0, no-verify',
    'db/a?ssl=true&sslmode=require': 'has both parameters ssl and sslmode; leave out one',
    'db/a?sslrootcert=/nope/ca.pem':
      'has a parameter sslrootcert that names a file that cannot be read: no such file or directory',
    [`db/a?sslrootcert=${folder.path}/text`]:
      'has a parameter sslrootcert that names a file that is no certificate in PEM',
    [`db/a?sslmode=disable&sslrootcert=${one.cert}`]:
      'names files for TLS, and switches it off; leave out one',
    [`db/a?sslcert=${one.cert}`]: 'has one of the parameters sslcert and sslkey; give both or none',
    [`db/a?sslcert=${one.cert}&sslkey=${other.key}`]:
      'has a parameter sslkey that is not the private key of its sslcert',
  })) {
    for (const name of ['DATABASE_URL', 'ORIGINAL_DATABASE_URL']) {
      assert.throws(
        () => parseConfig({ [name]: `postgresql://me:Geheimnis@${rest}` }),
        (error) => {
          assert.ok(error instanceof OperatorError)
          assert.equal(error.message, `The configuration is wrong:\n  - ${name} ${rule}`)
          assert.equal(error.exitCode, 2)
          return true
        },
      )
    }
  }
})
