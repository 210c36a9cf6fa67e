// Clicks at a steady rate until SIGTERM: `node bench/steady.ts PORT PER_SECOND`. Prints as JSON how
// many were answered 200, how many were not, and how long the former took.
import { Agent, request } from 'node:http'
import { quantile } from './report.ts'

const CONNECTIONS = 64
const TICK_MS = 10
const [port, perSecond] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const answers = { accepted: 0, others: 0 }
const latencies: number[] = []
const startedAt = performance.now()
let sent = 0

const ticking = setInterval(() => {
  const due = ((performance.now() - startedAt) / 1_000) * (perSecond ?? 0)
  for (; sent < due; sent += 1) click()
}, TICK_MS)

process.on('SIGTERM', () => {
  clearInterval(ticking)
  latencies.sort((a, b) => a - b)
  const [p50, p99] = [0.5, 0.99].map((share) => quantile(latencies, share))
  process.stdout.write(JSON.stringify({ ...answers, p50, p99 }), () => process.exit(0))
})

function click(): void {
  const path = `/counter/${1 + Math.floor(Math.random() * 100)}`
  const sentAt = performance.now()
  const asked = request({ port, path, method: 'POST', agent }, (answer) => {
    answers[answer.statusCode === 200 ? 'accepted' : 'others'] += 1
    if (answer.statusCode === 200) latencies.push(performance.now() - sentAt)
    answer.resume()
  })
  asked.on('error', () => (answers.others += 1))
  asked.end()
}
