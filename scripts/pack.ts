// The last step of `npm pack`: puts a tarball for users in the place of the one that npm has just made.
// It has the same files, and a package.json without what only developers need. That package.json is
// left alone in the meantime, and why: docs/decisions/0007.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'

const FOR_USERS = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'homepage',
  'bugs',
  'repository',
  'type',
  'bin',
  'dependencies',
] as const
/** A clone gets by with an older one, because run.mjs brings this one. */
const NODE = '>=24.12'

type Manifest = Readonly<Record<(typeof FOR_USERS)[number], unknown>>

const { INIT_CWD = '', npm_config_pack_destination = '', npm_config_dry_run } = process.env
if (npm_config_dry_run !== 'true') {
  const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest // our own
  packAgain(resolve(INIT_CWD, npm_config_pack_destination), manifest)
}

function packAgain(destination: string, manifest: Manifest): void {
  const tarball = join(destination, `${String(manifest.name)}-${String(manifest.version)}.tgz`)
  const folder = mkdtempSync(join(tmpdir(), 'tallymark-pack-'))
  try {
    run('tar', ['-xzf', tarball, '-C', folder])
    // Whatever stops us from here on, the tarball for developers is not taken for that for users.
    rmSync(tarball)
    const unpacked = join(folder, 'package')
    writeFileSync(join(unpacked, 'package.json'), manifestForUsers(manifest))
    // npm's report of its own tarball is silenced by .npmrc; this is the one to go by.
    const level = `--loglevel=${process.env['npm_config_loglevel'] === 'silent' ? 'silent' : 'notice'}`
    run('npm', ['pack', unpacked, '--ignore-scripts', `--pack-destination=${destination}`, level])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

function manifestForUsers(manifest: Manifest): string {
  const kept = FOR_USERS.map((name) => [name, manifest[name]])
  return `${JSON.stringify({ ...Object.fromEntries(kept), engines: { node: NODE } }, undefined, 2)}\n`
}

/** Without its stdout, which under `npm pack --json` is one document, of the outer npm. */
function run(command: string, args: readonly string[]): void {
  const { status, error } = spawnSync(command, args, { stdio: ['ignore', 'ignore', 'inherit'] })
  if (status !== 0) throw error ?? new Error(`${command} ${args.join(' ')} failed`)
}
