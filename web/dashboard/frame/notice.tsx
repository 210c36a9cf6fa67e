import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Problem, Unreachable } from '../api/problem.ts'
import type { Completeness } from '../api/api.ts'
import type { LiveStream } from '../api/live-stream.ts'
import type { Language } from '../text/language.ts'
import { useApp, useLanguage } from './app.ts'
import { FailureText } from './failure-text.tsx'

/** Further behind than this, people are told. */
const LAG_MS = 5_000
const DAY_MS = 24 * 3_600_000

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
  readonly tz: string
  readonly onRetry: () => void
}

/** Whether the numbers move, and what is wrong with them otherwise. */
export function StateOfNumbers({ stream, failure, completeness, tz, onRetry }: StateProps) {
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
    <div class="state">
      <div role="status">
        {state === 'open' && failure === undefined && <span class="live">{text.live}</span>}
        {state === 'connecting' && <span class="quiet">{text.connecting}</span>}
        {state === 'broken' && !isSaid(stream.failure.value, failure) && (
          <Notice kind="warning">{whyBroken(stream.failure.value, language)}</Notice>
        )}
        {failure !== undefined && (
          <Notice kind="error">
            <FailureText failure={failure} />{' '}
            <button type="button" onClick={retry}>
              {text.retry}
            </button>
          </Notice>
        )}
        <LateTurn isLate={isLate} />
      </div>
      {isLate && <Notice kind="warning">{lagText(completeness, tz, language)}</Notice>}
    </div>
  )
}

/** Said by a screen reader once, as the words about it change every few seconds. */
function LateTurn({ isLate }: { readonly isLate: boolean }) {
  const { text } = useLanguage()
  const [wasLate, setWasLate] = useState(false)
  useEffect(() => {
    if (isLate) setWasLate(true)
  }, [isLate])
  return <span class="hidden">{isLate ? text.late : wasLate && text.lateNoMore}</span>
}

function lagText({ completeUntil, lagMs }: Completeness, tz: string, language: Language): string {
  const options: Intl.DateTimeFormatOptions = {
    timeStyle: 'medium',
    ...(lagMs > DAY_MS && { dateStyle: 'medium' }),
  }
  const time = language.date(completeUntil, tz, options)
  return language.text.lag(time, language.ago(lagMs))
}

/** Whether what ended the stream has ended the requests as well, of which it is told. */
function isSaid(ofStream: unknown, ofNumbers: unknown): boolean {
  const isUnauthorized = ofStream instanceof Problem && ofStream.code === 'unauthorized'
  return isUnauthorized || ofNumbers instanceof Unreachable
}

function whyBroken(failure: unknown, { text }: Language): string {
  const isFull = failure instanceof Problem && failure.code === 'too_many_streams'
  return isFull ? text.tooManyReaders : text.broken
}
