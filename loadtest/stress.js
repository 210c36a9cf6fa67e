// The load that the service is expected to carry, by k6 (https://k6.io): POST /counter/10 to /counter/100 by
// up to 500 users who pause for 0.1 s between clicks. At the end the statistics must have risen by
// exactly the number of clicks that were answered 200.
//
//   k6 run loadtest/stress.js                      ten minutes
//   k6 run -e PROFILE=short loadtest/stress.js     one minute
//
// Settings, each by -e NAME=value: BASE_URL (http://127.0.0.1:8080), PROFILE (full or short) and
// READ_TOKEN, if the service asks for one. Nobody else may click on these banners meanwhile.
import { check, fail, sleep } from 'k6'
import http from 'k6/http'
import { Counter } from 'k6/metrics'

const BASE_URL = (__ENV.BASE_URL || 'http://127.0.0.1:8080').replace(/\/+$/, '')
const FIRST_BANNER = 10
const LAST_BANNER = 100
const PAUSE_S = 0.1
/** How long the last clicks may take to be in the statistics, with Kafka in between. */
const COMPLETE_TIMEOUT_S = 120
const COMPLETE_POLL_S = 0.5

const PROFILES = {
  full: [
    { duration: '2m', target: 100 },
    { duration: '6m', target: 500 },
    { duration: '2m', target: 0 },
  ],
  short: [
    { duration: '10s', target: 100 },
    { duration: '40s', target: 500 },
    { duration: '10s', target: 0 },
  ],
}

const profile = __ENV.PROFILE || 'full'
if (PROFILES[profile] === undefined)
  throw new Error(`PROFILE must be one of ${Object.keys(PROFILES).join(', ')}; it is "${profile}"`)

/** Rises with each 200, and falls by what the statistics have gained: 0 in the end. */
const unaccounted = new Counter('clicks_unaccounted')

export const options = {
  stages: PROFILES[profile],
  thresholds: {
    'http_req_duration{name:count}': ['p(95)<200'],
    'http_req_failed{name:count}': ['rate<0.01'],
    clicks_unaccounted: ['count==0'],
  },
  summaryTrendStats: ['med', 'p(95)', 'p(99)', 'max'],
}

export function setup() {
  const { total } = statistics()
  console.info(`${profile} profile against ${BASE_URL}; ${total} clicks before`)
  return { before: total }
}

export default function countClick() {
  const bannerId = FIRST_BANNER + Math.floor(Math.random() * (LAST_BANNER - FIRST_BANNER + 1))
  const answer = http.post(`${BASE_URL}/counter/${bannerId}`, null, { tags: { name: 'count' } })
  if (check(answer, { 'answered 200': ({ status }) => status === 200 })) unaccounted.add(1)
  sleep(PAUSE_S)
}

export function teardown({ before }) {
  const endedAt = Date.now()
  for (let waited = 0; ; waited += COMPLETE_POLL_S) {
    const { total, completeUntil } = statistics()
    if (completeUntil >= endedAt) {
      console.info(`${total - before} clicks more in the statistics`)
      unaccounted.add(before - total)
      return
    }
    if (waited >= COMPLETE_TIMEOUT_S)
      fail(`The statistics are complete until ${new Date(completeUntil).toISOString()} only`)
    sleep(COMPLETE_POLL_S)
  }
}

/** The clicks on these banners since ever, and the instant until which they are all there. */
function statistics() {
  const { READ_TOKEN: token } = __ENV
  const answer = http.get(`${BASE_URL}/stats?tsFrom=1970-01-01T00:00:00Z`, {
    headers: token ? { Authorization: `Bearer ${token}` } : {},
    tags: { name: 'statistics' },
  })
  if (answer.status !== 200)
    fail(`${BASE_URL}/stats answers ${answer.status}: ${answer.body || answer.error}`)
  const { banners, completeUntil } = answer.json()
  const clicked = banners.filter(({ bannerID: id }) => id >= FIRST_BANNER && id <= LAST_BANNER)
  const total = clicked.reduce((sum, banner) => sum + banner.total, 0)
  return { total, completeUntil: Date.parse(completeUntil) }
}
