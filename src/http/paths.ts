import { AppError } from '../errors.ts'
import type { Route } from './route.ts'

/** What the table of routes says of a URL, whether or not one of them takes the request. */
export interface Paths {
  /** The methods that there are at its path; none: there is no such path. */
  allowed(url: string): readonly string[]
  /** What every refusal at its path carries. */
  refusalHeaders(url: string): Readonly<Record<string, string>>
}

/** URLs may be absolute and percent-encoded, as the router reads them. */
export function pathsOf(routes: readonly Route[]): Paths {
  const patterns = routes.map((route) => ({ ...route, pattern: patternOf(route.path) }))
  const at = (url: string) => {
    const path = pathOf(url)
    return patterns.filter(({ pattern }) => pattern.test(path))
  }
  return {
    allowed: (url) => [...new Set(at(url).flatMap(({ methods }) => methods))],
    refusalHeaders: (url) => Object.assign({}, ...at(url).map((route) => route.refusalHeaders)),
  }
}

/** 404 or, where only the method is wrong, 405: Fastify does not know the difference. */
export function pathProblem(method: string, allowed: readonly string[]): AppError {
  if (allowed.length === 0) return new AppError('not_found', 'There is nothing at this path.')
  return new AppError('method_not_allowed', `${method} is not one of ${allowed.join(', ')}.`)
}

/** For a 405. */
export function allowHeader(allowed: readonly string[]): Record<string, string> {
  return allowed.length === 0 ? {} : { allow: allowed.join(', ') }
}

function pathOf(url: string): string {
  const [path = ''] = url.replace(/^https?:\/\/[^/?#]*/i, '').split(/[?#]/, 1)
  try {
    return decodeURI(path)
  } catch {
    return path
  }
}

function patternOf(path: string): RegExp {
  return new RegExp(`^${path.replaceAll(/:\w+/g, '[^/]+')}$`)
}
