import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as pause } from 'node:timers/promises'

const TICKS_PER_SECOND = 100 // USER_HZ of Linux
const PAGE_BYTES = 4_096

export interface Server extends AsyncDisposable {
  readonly port: number
  /** CPU seconds of all threads so far. */
  cpuSeconds(): number
  rssBytes(): number
}

/** Starts a script in a process of its own and waits until it listens on `port`. */
export async function startServer(
  port: number,
  args: readonly string[],
  settings: Readonly<Record<string, string>>,
): Promise<Server> {
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], ...settings },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  const exited = once(child, 'exit')
  while (!(await listens(port))) {
    const isGone = child.exitCode !== null || child.signalCode !== null
    if (isGone) throw new Error(`${args.join(' ')} ended at its start`)
    await pause(50)
  }
  const read = (file: string) => readFileSync(`/proc/${child.pid}/${file}`, 'utf8')
  return {
    port,
    cpuSeconds() {
      // The fields after the command, which may hold blanks: utime and stime are 14 and 15.
      const fields = read('stat').split(') ')[1]?.split(' ') ?? []
      return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
    },
    rssBytes: () => Number(read('statm').split(' ')[1]) * PAGE_BYTES,
    async [Symbol.asyncDispose]() {
      child.kill()
      await exited
    },
  }
}

export function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.on('connect', () => resolve(true))
    socket.on('error', () => resolve(false))
    socket.on('close', () => socket.destroy())
    socket.on('connect', () => socket.end())
  })
}
