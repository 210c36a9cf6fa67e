import type { ComponentChildren } from 'preact'
import { Problem } from '../api/problem.ts'
import type { Completeness } from '../api/api.ts'
import type { LiveStream } from '../api/live-stream.ts'
import type { Language } from '../text/language.ts'
import { useApp, useLanguage } from './app.ts'

/** Further behind than this, people are told. */
const LAG_MS = 5_000

interface NoticeProps {
  readonly kind: 'error' | 'warning'
  readonly children: ComponentChildren
}

export function Notice({ kind, children }: NoticeProps) {
  return <div class={`notice ${kind}`}>{children}</div>
}

interface StateProps {
  readonly stream: LiveStream
  readonly failure: unknown
  readonly completeness: Completeness | undefined
  readonly onRetry: () => void
}

/** Whether the numbers move, and what is wrong with them otherwise. */
export function StateOfNumbers({ stream, failure, completeness, onRetry }: StateProps) {
  const app = useApp()
  const language = useLanguage()
  const { text } = language
  const state = stream.state.value
  const isLate = completeness !== undefined && completeness.lagMs > LAG_MS
  const retry = (): void => {
    app.tokens.askAgain()
    onRetry()
  }
  return (
    <div class="state" role="status">
      {state === 'open' && failure === undefined && <span class="live">{text.live}</span>}
      {state === 'connecting' && <span class="quiet">{text.connecting}</span>}
      {state === 'broken' && (
        <Notice kind="warning">{whyBroken(stream.failure.value, language)}</Notice>
      )}
      {failure !== undefined && (
        <Notice kind="error">
          {failureText(failure, language)}{' '}
          <button type="button" onClick={retry}>
            {text.retry}
          </button>
        </Notice>
      )}
      {isLate && (
        <Notice kind="warning">
          {text.lag(
            language.date(completeness.completeUntil, app.zone.value, { timeStyle: 'medium' }),
            language.ago(completeness.lagMs),
          )}
        </Notice>
      )}
    </div>
  )
}

/** What somebody has to know of a failure. */
export function failureText(failure: unknown, { text }: Language): string {
  return failure instanceof Problem ? text.failed(failure.message) : text.unreachable
}

function whyBroken(failure: unknown, { text }: Language): string {
  const isFull = failure instanceof Problem && failure.code === 'too_many_streams'
  return isFull ? text.tooManyReaders : text.broken
}
