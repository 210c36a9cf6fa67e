// Serves the dashboard with hot reload, and passes its requests on to a service that runs. `npm run dev`.
import { createServer } from 'vite'
import { DASHBOARD } from './dashboard.ts'

/** The service whose numbers are shown. */
const SERVICE = process.env['SERVICE_URL'] ?? 'http://127.0.0.1:8080'
const PATHS = [
  '/banners',
  '/counter',
  '/docs',
  '/healthz',
  '/live',
  '/openapi.json',
  '/series',
  '/stats',
]

const server = await createServer({
  ...DASHBOARD,
  server: {
    host: '127.0.0.1',
    proxy: Object.fromEntries(PATHS.map((path) => [path, { target: SERVICE }])),
  },
})
await server.listen()
server.printUrls()
server.config.logger.info(`  Asks the service at ${SERVICE}; SERVICE_URL names another.`)
