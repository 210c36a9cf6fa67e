import { readFileSync } from 'node:fs'

/**
 * How many files, and connections are files, this process may have open at once. Node raises the soft
 * limit to the hard one at its start. Infinity where the system does not say it.
 */
export function openFilesMax(): number {
  let limits: string
  try {
    limits = readFileSync('/proc/self/limits', 'utf8')
  } catch {
    return Infinity // not Linux
  }
  const soft = /^Max open files +(\d+)/m.exec(limits)?.[1]
  return soft === undefined ? Infinity : Number(soft)
}
