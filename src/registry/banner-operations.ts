import * as v from 'valibot'
import { BANNER_CHANGE, BANNER_FIELDS, NEW_BANNER } from '../banner-fields.ts'
import type { ErrorCode } from '../errors.ts'
import type { Operation } from '../http/route.ts'
import { BANNER_PAGE } from './banner-handlers.ts'

export const BANNER_ANSWER = v.strictObject({
  ...BANNER_FIELDS,
  createdAt: v.pipe(v.string(), v.metadata({ format: 'date-time' })),
})

const BANNER_EXAMPLE = {
  id: 42,
  name: 'Autumn sale',
  url: 'https://shop.example/sale',
  status: 'active',
  createdAt: '2026-11-01T12:00:00.000Z',
}

const CHANGE_ERRORS = [
  'unauthorized',
  'forbidden',
  'admin_token_required',
  'body_too_large',
  'invalid_parameter',
  'store_unavailable',
] as const satisfies readonly ErrorCode[]

/** What the description of the API says of banners. */
export const BANNER_OPERATIONS = {
  listBanners: {
    id: 'listBanners',
    tag: 'Banners',
    summary: 'The banners, by id',
    query: BANNER_PAGE,
    answer: {
      status: 200,
      description: 'A page of banners; `next` is there when more follow.',
      content: {
        'application/json': {
          schema: v.strictObject({
            banners: v.array(BANNER_ANSWER),
            next: v.optional(BANNER_FIELDS.id),
          }),
          example: { banners: [BANNER_EXAMPLE], next: 42 },
        },
      },
    },
    errors: ['unauthorized', 'invalid_parameter', 'store_unavailable'],
  },
  readBanner: {
    id: 'readBanner',
    tag: 'Banners',
    summary: 'One banner',
    answer: {
      status: 200,
      description: 'The banner.',
      content: { 'application/json': { schema: BANNER_ANSWER, example: BANNER_EXAMPLE } },
    },
    errors: [
      'invalid_banner_id',
      'unauthorized',
      'invalid_parameter',
      'banner_not_found',
      'store_unavailable',
    ],
  },
  addBanner: {
    id: 'addBanner',
    tag: 'Banners',
    summary: 'Register a banner',
    description:
      'Without an id the service gives out the next of its own. Ids are never given twice, also not those of archived banners.',
    body: { schema: NEW_BANNER, isRequired: true, description: 'The banner.' },
    answer: {
      status: 201,
      description: 'Registered; clicks are counted from now on.',
      headers: { Location: 'The path of the banner.' },
      content: { 'application/json': { schema: BANNER_ANSWER, example: BANNER_EXAMPLE } },
    },
    errors: [
      ...CHANGE_ERRORS,
      'unsupported_media_type',
      'invalid_body',
      'banner_exists',
      'banner_ids_exhausted',
    ],
  },
  changeBanner: {
    id: 'changeBanner',
    tag: 'Banners',
    summary: 'Change a banner, or bring it back',
    description: 'What is absent stays as it is. What was accepted before is counted all the same.',
    body: { schema: BANNER_CHANGE, isRequired: true, description: 'What is to be different.' },
    answer: {
      status: 200,
      description: 'The banner as it is now.',
      content: { 'application/json': { schema: BANNER_ANSWER, example: BANNER_EXAMPLE } },
    },
    errors: [
      'invalid_banner_id',
      ...CHANGE_ERRORS,
      'unsupported_media_type',
      'invalid_body',
      'banner_not_found',
    ],
  },
  archiveBanner: {
    id: 'archiveBanner',
    tag: 'Banners',
    summary: 'Archive a banner',
    description:
      'Its clicks are refused from now on. Nothing counted is thrown away, and `PATCH` with another status brings it back.',
    answer: { status: 204, description: 'Archived.' },
    errors: ['invalid_banner_id', ...CHANGE_ERRORS, 'banner_not_found'],
  },
} as const satisfies Record<string, Operation>
