import { useEffect, useRef, useState } from 'preact/hooks'
import type { Api, Banner, Completeness } from '../api/api.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { FailureText } from '../frame/failure-text.tsx'
import { snippets, type Snippet } from './snippets.ts'

const HOUR_MS = 3_600_000
/** Of the header Date. */
const DATE_PRECISION_MS = 1_000
const LOOK_INTERVAL_MS = 200
const LOOK_MAX_MS = 10_000

interface CountHelperProps {
  readonly banner: Banner
  /** Only the first line. */
  readonly isShort?: boolean
}

/** The lines that count a click of a banner, and a button that does it. */
export function CountHelper({ banner, isShort = false }: CountHelperProps) {
  const { text } = useLanguage()
  const service = new URL('.', location.href).href.replace(/\/$/, '')
  const all = snippets(service, banner)
  return (
    <div class="count">
      {!isShort && <p>{text.countAbout}</p>}
      {(isShort ? all.slice(0, 1) : all).map((snippet) => (
        <Line key={snippet.title} snippet={snippet} />
      ))}
      <TestClick bannerId={banner.id} key={banner.id} />
    </div>
  )
}

function Line({ snippet }: { readonly snippet: Snippet }) {
  const { text } = useLanguage()
  const [state, setState] = useState<'idle' | 'copied' | 'failed'>('idle')
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(snippet.text) // missing without HTTPS, but on localhost
      setState('copied')
    } catch {
      setState('failed')
    }
  }
  return (
    <div class="snippet">
      <span class="quiet">{snippet.title}</span>
      <code tabIndex={0}>{snippet.text}</code>
      <button type="button" aria-label={text.copyOf(snippet.title)} onClick={() => void copy()}>
        {{ idle: text.copy, copied: text.copied, failed: text.cannotCopy }[state]}
      </button>
    </div>
  )
}

type Progress =
  | { readonly kind: 'idle' | 'sending' }
  | { readonly kind: 'acknowledged' | 'unseen'; readonly ms: number }
  | {
      readonly kind: 'arrived'
      readonly ms: number
      readonly before: number
      readonly after: number
    }
  | { readonly kind: 'failed'; readonly failure: unknown }

function TestClick({ bannerId }: { readonly bannerId: number }) {
  const { api } = useApp()
  const { text } = useLanguage()
  const [progress, setProgress] = useState<Progress>({ kind: 'idle' })
  const isShown = useRef(true)
  useEffect(() => () => void (isShown.current = false), [])
  const isBusy = progress.kind === 'sending' || progress.kind === 'acknowledged'
  const send = async (): Promise<void> => {
    if (isBusy) return
    for await (const each of sendClick(api, bannerId)) {
      if (!isShown.current) return
      setProgress(each)
    }
  }
  return (
    <div class="test-click">
      <button type="button" aria-disabled={isBusy} onClick={() => void send()}>
        {text.sendClick}
      </button>
      <p class="quiet">{text.testClickAbout}</p>
      <p role="status">
        <ProgressText progress={progress} />
      </p>
    </div>
  )
}

function ProgressText({ progress }: { readonly progress: Progress }) {
  const language = useLanguage()
  const { text } = language
  switch (progress.kind) {
    case 'idle': {
      return null
    }
    case 'sending': {
      return <>{text.sending}</>
    }
    case 'acknowledged': {
      return <>{text.acknowledged(language.number(progress.ms))}</>
    }
    case 'arrived': {
      const { ms, before, after } = progress
      const [took, from, to] = [ms, before, after].map((value) => language.number(value))
      return <span class="done">{text.arrived(took ?? '', from ?? '', to ?? '')}</span>
    }
    case 'unseen': {
      return <>{text.notArrived}</>
    }
    case 'failed': {
      return (
        <span class="wrong">
          <FailureText failure={progress.failure} unanswered={text.clickUnanswered} />
        </span>
      )
    }
  }
  return progress satisfies never
}

/** Sends a click and waits until the statistics of the last hour have it. */
async function* sendClick(api: Api, bannerId: number): AsyncGenerator<Progress> {
  yield { kind: 'sending' }
  try {
    const from = api.now() - HOUR_MS
    const { total: before } = await lastHour(api, bannerId, from)
    const startedAt = performance.now()
    await api.count(bannerId)
    const ms = Math.round(performance.now() - startedAt)
    yield { kind: 'acknowledged', ms }
    let acknowledgedAt: number | undefined
    while (performance.now() - startedAt < LOOK_MAX_MS) {
      const { total: after, completeUntil, lagMs } = await lastHour(api, bannerId, from)
      // By the service's clock, which the answer tells in whole seconds: not later than that.
      acknowledgedAt ??= completeUntil + lagMs + DATE_PRECISION_MS
      // Before that it may be somebody else's click that is seen.
      if (after > before && completeUntil >= acknowledgedAt) {
        yield { kind: 'arrived', ms, before, after }
        return
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_INTERVAL_MS))
    }
    yield { kind: 'unseen', ms }
  } catch (failure) {
    yield { kind: 'failed', failure }
  }
}

async function lastHour(
  api: Api,
  bannerId: number,
  from: number,
): Promise<Completeness & { readonly total: number }> {
  const question = { banners: [bannerId], from, to: api.now(), step: 'minute', tz: 'UTC' } as const
  const { banners, completeUntil, lagMs } = await api.series(question)
  return { total: banners[0]?.total ?? 0, completeUntil, lagMs }
}
