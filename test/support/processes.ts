// Processes that are none of our children, such as those a server starts.
import { execFileSync } from 'node:child_process'
import { readFileSync, readdirSync } from 'node:fs'

const HALT_TIMEOUT_MS = 10_000

export interface RunningProcess {
  readonly pid: number
  readonly parent: number
  readonly state: string
}

/** All that have not ended; some of these wait for a parent to notice, for ever in a container. */
export function runningProcesses(): RunningProcess[] {
  return (process.platform === 'linux' ? linuxProcesses() : psProcesses()).filter(
    ({ state }) => state !== 'Z' && state !== 'X',
  )
}

/** SIGSTOP that has taken effect when this returns. */
export function halt(pids: readonly number[]): void {
  signal(pids, 'SIGSTOP')
  const deadline = performance.now() + HALT_TIMEOUT_MS
  while (runningProcesses().some(({ pid, state }) => pids.includes(pid) && state !== 'T'))
    if (performance.now() > deadline) throw new Error(`SIGSTOP of ${pids.join(', ')} is ignored`)
}

export function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids)
    try {
      process.kill(pid, name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // it ended meanwhile
    }
}

/** Without ps, which slim images lack. */
function linuxProcesses(): RunningProcess[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name)
    if (!Number.isInteger(pid)) return []
    let line: string
    try {
      line = readFileSync(`/proc/${name}/stat`, 'utf8')
    } catch {
      return [] // it ended meanwhile
    }
    // `pid (name) state parent …`, and a name may hold brackets and spaces.
    const [state = '', parent] = line.slice(line.lastIndexOf(')') + 2).split(' ')
    return [{ pid, parent: Number(parent), state }]
  })
}

function psProcesses(): RunningProcess[] {
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' })
  return table.split('\n').map((line) => {
    const [pid, parent, state = ''] = line.trim().split(/\s+/)
    return { pid: Number(pid), parent: Number(parent), state: state.slice(0, 1) }
  })
}
