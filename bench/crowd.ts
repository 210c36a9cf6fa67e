// Connections that do little but hold their places, in a process of their own, started by network.ts:
// silent ones, idle ones that have counted one click, and slow ones whose headers or body come at a
// byte a second. Whichever the service closes is opened again.
import { connect, type Socket } from 'node:net'

const KINDS = ['silent', 'idle', 'slowHeaders', 'slowBodies'] as const
type Kind = (typeof KINDS)[number]
type Counts = Record<Kind, number>

export interface CrowdState {
  readonly open: Readonly<Counts>
  /** Opened again after the service had closed them. */
  readonly reopened: number
  /** Clicks of the idle ones: answered 200, and not answered at all. */
  readonly acknowledged: number
  readonly unanswered: number
}

const HEAD = 'POST /counter/1 HTTP/1.1\r\nHost: localhost\r\n'
const OPENING: Readonly<Record<Kind, string>> = {
  silent: '',
  idle: `${HEAD}Content-Length: 0\r\n\r\n`,
  slowHeaders: `${HEAD}X: `,
  slowBodies: `${HEAD}Content-Length: 16000\r\n\r\n`,
}
const TICK_MS = 10
const TICKS_PER_SECOND = 1_000 / TICK_MS
const OPENED_A_TICK = 20
/** One address has 28,000 ports, and those of closed connections rest for a minute. */
const ADDRESSES = 16

const [port = 0, idleWanted = 0, slowWanted = 0] = process.argv.slice(2).map(Number)
const missing: Kind[] = [
  ...Array.from({ length: idleWanted / 2 }, () => ['silent', 'idle'] as const).flat(),
  ...Array.from({ length: slowWanted / 2 }, () => ['slowHeaders', 'slowBodies'] as const).flat(),
]
const open: Counts = { silent: 0, idle: 0, slowHeaders: 0, slowBodies: 0 }
const slow = new Set<Socket>()
let [opened, reopened, acknowledged, unanswered, waiting] = [0, 0, 0, 0, 0]
let trickling: Iterator<Socket> = slow.values()
let isStopping = false

setInterval(() => {
  for (let index = 0; index < OPENED_A_TICK && !isStopping; index += 1) {
    const kind = missing.shift()
    if (kind === undefined) break
    start(kind)
  }
  trickle(Math.ceil(slow.size / TICKS_PER_SECOND))
  if (isStopping && waiting === 0) process.exit(0)
}, TICK_MS)
setInterval(tell, 100)

// Asked to stop it waits until its clicks are answered; without whoever started it, it ends at once.
process.on('message', () => {
  isStopping = true
})
process.on('disconnect', () => process.exit(1))
process.on('exit', tell)

function start(kind: Kind): void {
  opened += 1
  const localAddress = `127.0.0.${2 + (opened % ADDRESSES)}`
  const socket = connect({ port, host: '127.0.0.1', localAddress })
  let isOpen = false
  let isWaiting = false
  socket.on('connect', () => {
    isOpen = true
    open[kind] += 1
    socket.write(OPENING[kind])
    if (kind === 'slowHeaders' || kind === 'slowBodies') slow.add(socket)
    if (kind !== 'idle') return
    isWaiting = true
    waiting += 1
  })
  socket.on('data', (chunk) => {
    if (!isWaiting || !chunk.includes('accepted')) return
    isWaiting = false
    waiting -= 1
    acknowledged += 1
  })
  socket.on('error', () => {}) // it is closed, and opened again
  socket.on('close', () => {
    slow.delete(socket)
    if (isOpen) open[kind] -= 1
    if (isWaiting) {
      waiting -= 1
      unanswered += 1
    }
    if (isStopping) return
    reopened += 1
    missing.push(kind)
  })
}

/** A byte to each of the next so many. */
function trickle(count: number): void {
  for (let index = 0; index < count; index += 1) {
    const next = trickling.next()
    if (next.done === true) {
      trickling = slow.values()
      return
    }
    if (next.value.writable) next.value.write('x')
  }
}

function tell(): void {
  process.send?.({ open, reopened, acknowledged, unanswered } satisfies CrowdState)
}
