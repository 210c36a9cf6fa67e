/** What the service answered instead of what was asked for: problem+json, as docs/errors.md lists it. */
export class Problem extends Error {
  override name = 'Problem'
  readonly status: number
  /** A code of docs/errors.md; of other answers, such as a proxy's, undefined. */
  readonly code: string | undefined
  /** What is wrong with a field, by the field's name. */
  readonly fields: ReadonlyMap<string, string>

  /** How long the service asks to be left alone; undefined: it does not say. */
  readonly retryAfterMs: number | undefined

  private constructor({ status, headers }: Response, body: ProblemBody) {
    super(body.detail ?? body.title ?? `HTTP ${status}`)
    this.status = status
    const seconds = Number(headers.get('retry-after') ?? Number.NaN)
    this.retryAfterMs = Number.isFinite(seconds) ? seconds * 1_000 : undefined
    this.code = body.code
    this.fields = new Map(body.errors?.map(({ field, message }) => [field, message]))
  }

  static async of(response: Response): Promise<Problem> {
    const isProblem = response.headers.get('content-type')?.startsWith('application/problem+json')
    const body = isProblem === true ? await bodyOf(response) : {}
    return new Problem(response, body)
  }
}

/** No answer at all: the service is stopped, the network away, or it took too long. */
export class Unreachable extends Error {
  override name = 'Unreachable'
}

/** Empty where it broke off: the status says enough. */
async function bodyOf(response: Response): Promise<ProblemBody> {
  try {
    return (await response.json()) as ProblemBody
  } catch {
    return {}
  }
}

interface ProblemBody {
  readonly title?: string
  readonly code?: string
  readonly detail?: string
  readonly errors?: readonly { readonly field: string; readonly message: string }[]
}
