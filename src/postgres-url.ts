// A `postgresql://` URL, taken apart here and not by the driver: that one ends with a stack trace at a value
// which it cannot use, or goes on without it, and neither before it connects.
import {
  certificates,
  hostOrFolder,
  integer,
  isPair,
  oneOf,
  POSTGRES_PORT,
  POSTGRES_USER,
  privateKey,
} from './setting-rules.ts'

export interface PostgresConnection {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
  /** What Node.js takes for TLS, with the texts of PEM files; false: without TLS. */
  readonly ssl:
    | false
    | {
        readonly ca?: string
        readonly cert?: string
        readonly key?: string
        readonly rejectUnauthorized?: false
      }
}

const RULE =
  'must be postgresql://user:password@host:port/database, with special characters percent-encoded'
const PARAMETERS = ['host', 'port', 'ssl', 'sslmode', 'sslrootcert', 'sslcert', 'sslkey']
/** Those that hosted databases put into their URLs, and that the service has settings of its own for. */
const IGNORED = ['application_name', 'client_encoding', 'connect_timeout', 'target_session_attrs']
/** libpq has weaker ones among them; less than what is asked for is not given. */
const VERIFIED = ['prefer', 'require', 'verify-ca', 'verify-full'] as const
const port = integer(1, 65_535)

type Take = <T>(name: string, rule: (value: string) => T) => T | undefined

/** What is wrong is told without any value, as each may be a part of the password. */
export function postgresUrl(value: string): PostgresConnection {
  // A URL is parsed without the line breaks in it.
  const url = !/[\t\r\n]/.test(value.trim()) && URL.canParse(value) ? new URL(value) : undefined
  const isPostgres = url?.protocol === 'postgresql:' || url?.protocol === 'postgres:'
  // An @ beyond the host is that of a password with a slash, which would be shown as the path.
  if (!isPostgres || url.hash !== '' || /@/.test(`${url.pathname}${url.search}`)) {
    throw new RangeError(RULE)
  }
  const take = parametersOf(url.searchParams)
  const user = decoded(url.username) || POSTGRES_USER
  return {
    host: take('host', hostOrFolder) ?? hostOf(url),
    port: take('port', port) ?? portOf(url),
    user,
    password: decoded(url.password) || undefined,
    database: decoded(url.pathname.slice(1)) || user,
    ssl: tlsOf(take),
  }
}

function parametersOf(given: URLSearchParams): Take {
  for (const name of given.keys()) {
    if (IGNORED.includes(name)) continue
    if (!PARAMETERS.includes(name)) {
      throw new RangeError(`has a parameter that is none of ${PARAMETERS.join(', ')}`)
    }
    if (given.getAll(name).length > 1) throw new RangeError(`has the parameter ${name} twice`)
  }
  return (name, rule) => {
    const value = given.get(name)
    try {
      return value === null ? undefined : rule(value)
    } catch (cause) {
      if (!(cause instanceof RangeError)) throw cause
      throw new RangeError(`has a parameter ${name} that ${cause.message}`, { cause })
    }
  }
}

function hostOf(url: URL): string {
  return orRule(() =>
    hostOrFolder(decoded(url.hostname.replace(/^\[(.+)\]$/, '$1')) || 'localhost'),
  )
}

function portOf(url: URL): number {
  return orRule(() => port(url.port || POSTGRES_PORT))
}

function orRule<T>(parse: () => T): T {
  try {
    return parse()
  } catch (cause) {
    throw new RangeError(RULE, { cause })
  }
}

function decoded(text: string): string {
  const plain = orRule(() => decodeURIComponent(text))
  if (plain.includes('\0')) throw new RangeError(RULE)
  return plain
}

function tlsOf(take: Take): PostgresConnection['ssl'] {
  const mode = take('sslmode', oneOf(['disable', ...VERIFIED, 'no-verify']))
  const ssl = take('ssl', oneOf(['true', '1', 'false', '0', 'no-verify']))
  const ca = take('sslrootcert', certificates)
  const cert = take('sslcert', certificates)
  const key = take('sslkey', privateKey)
  if (mode !== undefined && ssl !== undefined) {
    throw new RangeError('has both parameters ssl and sslmode; leave out one')
  }
  if ((cert === undefined) !== (key === undefined)) {
    throw new RangeError('has one of the parameters sslcert and sslkey; give both or none')
  }
  if (cert !== undefined && key !== undefined && !isPair(cert, key)) {
    throw new RangeError('has a parameter sslkey that is not the private key of its sslcert')
  }
  const hasFiles = ca !== undefined || cert !== undefined
  const wish = mode ?? ssl ?? (hasFiles ? 'true' : 'disable')
  if (wish === 'disable' || wish === 'false' || wish === '0') {
    if (hasFiles) throw new RangeError('names files for TLS, and switches it off; leave out one')
    return false
  }
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(wish === 'no-verify' && { rejectUnauthorized: false }),
  }
}
