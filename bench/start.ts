import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { listens } from './server.ts'
import { setTimeout as pause } from 'node:timers/promises'

/** Milliseconds from `npm start` to an open port, everything being installed and built. */
export async function startMs(port: number, folder: string): Promise<number> {
  const startedAt = performance.now()
  const child = spawn('npm', ['start', '--silent'], {
    env: { ...process.env, PORT: String(port), DATA_DIR: folder },
    stdio: 'ignore',
  })
  const exited = once(child, 'exit')
  while (!(await listens(port))) {
    if (child.exitCode !== null) throw new Error('npm start ended at its start')
    await pause(10)
  }
  const ms = performance.now() - startedAt
  child.kill()
  await exited
  return ms
}
