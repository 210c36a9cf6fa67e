// Clicks at a steady rate until SIGTERM: `node bench/steady.ts PORT PER_SECOND`. Prints as JSON how
// many were answered 200, and how many were not.
import { Agent, request } from 'node:http'

const CONNECTIONS = 64
const TICK_MS = 10
const [port, perSecond] = process.argv.slice(2).map(Number)
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })
const answers = { accepted: 0, others: 0 }
const startedAt = performance.now()
let sent = 0

const ticking = setInterval(() => {
  const due = ((performance.now() - startedAt) / 1_000) * (perSecond ?? 0)
  for (; sent < due; sent += 1) click()
}, TICK_MS)

process.on('SIGTERM', () => {
  clearInterval(ticking)
  process.stdout.write(JSON.stringify(answers), () => process.exit(0))
})

function click(): void {
  const path = `/counter/${1 + Math.floor(Math.random() * 100)}`
  const asked = request({ port, path, method: 'POST', agent }, (answer) => {
    answers[answer.statusCode === 200 ? 'accepted' : 'others'] += 1
    answer.resume()
  })
  asked.on('error', () => (answers.others += 1))
  asked.end()
}
