import * as v from 'valibot'
import type { Operation } from './route.ts'

/** What the description of the API says of the paths for operators. */
export const OPERATIONS = {
  healthz: {
    id: 'readHealth',
    tag: 'Operating',
    summary: 'Whether the process serves',
    answer: {
      status: 200,
      description: 'It does.',
      content: {
        'application/json': {
          schema: v.strictObject({ status: v.literal('ok') }),
          example: { status: 'ok' },
        },
      },
    },
    errors: [],
  },
  readyz: {
    id: 'readReadiness',
    tag: 'Operating',
    summary: 'Whether a click would be counted now',
    answer: {
      status: 200,
      description: 'It would. The state of each part is told, also in a 503.',
      content: {
        'application/json': {
          schema: v.strictObject({
            status: v.literal('ready'),
            parts: v.record(
              v.string(),
              v.strictObject({
                status: v.string(),
                waiting: v.optional(v.number()),
                partitions: v.optional(v.number()),
              }),
            ),
          }),
          example: {
            status: 'ready',
            parts: { registry: { status: 'ok' }, log: { status: 'ok', waiting: 0 } },
          },
        },
      },
    },
    errors: ['not_ready'],
  },
  metrics: {
    id: 'readMetrics',
    tag: 'Operating',
    summary: 'Metrics for Prometheus',
    answer: {
      status: 200,
      description: 'The text format of Prometheus.',
      content: { 'text/plain': { example: 'tallymark_clicks_accepted_total 3\n' } },
    },
    errors: ['unauthorized'],
  },
  openapi: {
    id: 'readDescription',
    tag: 'Operating',
    summary: 'This description',
    answer: {
      status: 200,
      description: 'OpenAPI 3.1.',
      content: {
        'application/json': {
          schema: v.looseObject({ openapi: v.string() }),
          example: { openapi: '3.1.0' },
        },
      },
    },
    errors: [],
  },
  dashboard: {
    id: 'readDashboard',
    tag: 'Operating',
    summary: 'The dashboard: a page that shows the clicks, and the banners',
    answer: {
      status: 200,
      description: 'A page.',
      content: { 'text/html': { example: '<!doctype html>' } },
    },
    isConditional: true,
    errors: ['not_found'],
  },
  docs: {
    id: 'readDocumentation',
    tag: 'Operating',
    summary: 'A page that shows this description, to try it',
    answer: {
      status: 200,
      description: 'A page.',
      content: { 'text/html': { example: '<!doctype html>' } },
    },
    isConditional: true,
    errors: ['not_found'],
  },
} as const satisfies Record<string, Operation>
