/** What `tallymark doctor` has found in one place. */
export type Check =
  | { readonly name: string; readonly verdict: 'ok'; readonly found: string }
  | {
      readonly name: string
      /** FAIL: the service cannot count, or what it acknowledges can be lost. */
      readonly verdict: 'warn' | 'FAIL'
      readonly found: string
      /** What to do about it. */
      readonly remedy: string
    }

export function ok(name: string, found: string): Check {
  return { name, verdict: 'ok', found }
}

export function warn(name: string, found: string, remedy: string): Check {
  return { name, verdict: 'warn', found, remedy }
}

export function fail(name: string, found: string, remedy: string): Check {
  return { name, verdict: 'FAIL', found, remedy }
}
