// A secret that an orchestrator puts into a file of its own: Docker, Kubernetes, systemd.
import { readFileSync, statSync } from 'node:fs'
import { getSystemErrorMessage } from 'node:util'

/** Far beyond any secret; a path to something else must not fill the memory. */
const BYTES_MAX = 65_536
const KIB = 1_024

/**
 * The file's text without one newline at its end, which editors and `echo` add. Throws a RangeError
 * whose message says what is wrong with the file, and nothing of what it holds.
 */
export function readSecretFile(path: string): string {
  return readTextFile(path, 'is in', BYTES_MAX)
}

/** The same of a larger file. `verb` is that of the error's message: a setting `names` a file. */
export function readTextFile(path: string, verb: 'is in' | 'names', bytesMax: number): string {
  try {
    // Like this no password comes to a server mangled, to be called wrong there.
    const text = decoded(read(path, bytesMax)).replace(/\r?\n$/, '')
    if (text === '') throw new RangeError('is empty')
    return text
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new RangeError(`${verb} a file that ${cause.message}`, { cause })
  }
}

function read(path: string, bytesMax: number): Buffer {
  try {
    const stat = statSync(path)
    // Reading a pipe would wait for whoever writes it, without end if nobody does.
    if (!stat.isFile()) throw new RangeError('is no regular file')
    if (stat.size > bytesMax) throw new RangeError(`is larger than ${bytesMax / KIB} KiB`)
    return readFileSync(path)
  } catch (error) {
    const errno = error instanceof Error && 'errno' in error ? error.errno : undefined
    if (typeof errno !== 'number') throw error
    throw new RangeError(`cannot be read: ${getSystemErrorMessage(errno)}`, { cause: error })
  }
}

function decoded(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch (cause) {
    throw new RangeError('is not UTF-8', { cause })
  }
}
