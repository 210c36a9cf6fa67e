import { useEffect, useRef, useState } from 'preact/hooks'
import uPlot from 'uplot'
import { useLanguage } from '../frame/app.ts'
import type { Period } from '../model/period.ts'
import type { Language } from '../text/language.ts'
import { stepText } from '../text/step-text.ts'
import type { Shown } from './banner-model.ts'
import { chartData, chartOptions, isOfBars } from './chart-options.ts'

interface ChartProps {
  readonly shown: Shown
  readonly onZoom: (period: Period) => void
}

/** The counts as bars, or as a line where there are many; what is open dashed, the period before faint. */
export function Chart({ shown, onZoom }: ChartProps) {
  const language = useLanguage()
  const { text } = language
  const place = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | undefined>(undefined)
  const latest = useRef({ shown, onZoom })
  latest.current = { shown, onZoom }
  const [pointed, setPointed] = useState<number | undefined>(undefined)
  const { step, tz } = shown
  const isBars = isOfBars(shown)
  const isDark = useDarkness()
  useEffect(() => {
    const element = place.current
    if (element === null) return undefined
    const made = new uPlot(
      chartOptions({
        width: element.clientWidth,
        language,
        step,
        isBars,
        tz,
        style: getComputedStyle(element),
        onPoint: setPointed,
        onSelect: (from, to) => {
          const { starts, to: end } = latest.current.shown
          latest.current.onZoom({
            kind: 'free',
            from: starts[from] ?? 0,
            to: starts[to + 1] ?? end,
          })
        },
      }),
      chartData(latest.current.shown),
      element,
    )
    plot.current = made
    const resized = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: made.height }),
    )
    resized.observe(element)
    return () => {
      resized.disconnect()
      made.destroy()
      plot.current = undefined
    }
  }, [language, step, isBars, tz, isDark])
  const isDragged = useDrag(place)
  useEffect(() => {
    if (!isDragged.current) plot.current?.setData(chartData(shown)) // it would move under the pointer
  }, [shown])
  const { total } = shown.series
  return (
    <figure>
      <div
        class="chart"
        ref={place}
        role="img"
        aria-label={text.chartLabel(shown.series.name, language.number(total))}
      />
      {total === 0 && <p class="nothing">{text.noClicksInRange}</p>}
      <figcaption class="quiet">
        {pointed === undefined ? legend(shown, language) : pointText(shown, pointed, language)}
      </figcaption>
    </figure>
  )
}

/** Of what is drawn: nothing is where there were no clicks. */
function legend({ openFrom, futureFrom, series, before }: Shown, { text }: Language) {
  const isDrawnBefore = before?.counts.some((count) => count !== undefined && count > 0)
  return (
    <>
      {isDrawnBefore === true && <span class="legend before">{text.before}</span>}
      {openFrom < futureFrom && series.total > 0 && (
        <span class="legend open">{text.openAbout}</span>
      )}
      &nbsp;
    </>
  )
}

function pointText(shown: Shown, index: number, language: Language): string {
  const { text } = language
  const { starts, step, tz, series, before, openFrom } = shown
  const start = starts[index]
  if (start === undefined) return ''
  const parts = [
    `${stepText(language, start, step, tz)}: ${language.number(series.counts[index] ?? 0)}`,
  ]
  if (index >= openFrom) parts.push(text.open)
  const count = before?.counts[index]
  if (count !== undefined) parts.push(`${text.before}: ${language.number(count)}`)
  return parts.join(' · ')
}

/** Whether somebody drags over the place, which may end outside of it. */
function useDrag(place: { readonly current: HTMLElement | null }): { readonly current: boolean } {
  const isDragged = useRef(false)
  useEffect(() => {
    const begin = (): void => void (isDragged.current = true)
    const end = (): void => void (isDragged.current = false)
    const element = place.current
    element?.addEventListener('pointerdown', begin)
    addEventListener('pointerup', end)
    addEventListener('pointercancel', end)
    return () => {
      element?.removeEventListener('pointerdown', begin)
      removeEventListener('pointerup', end)
      removeEventListener('pointercancel', end)
    }
  }, [place])
  return isDragged
}

/** Changes when the colours do: a drawing does not follow the system's setting by itself. */
function useDarkness(): boolean {
  const [isDark, setDark] = useState(false)
  useEffect(() => {
    const query = matchMedia('(prefers-color-scheme: dark)')
    const follow = (): void => setDark(query.matches)
    follow()
    query.addEventListener('change', follow)
    return () => query.removeEventListener('change', follow)
  }, [])
  return isDark
}
