import { useEffect, useState } from 'preact/hooks'
import { STEPS, type Step } from '../api/api.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { Notice } from '../frame/notice.tsx'
import { PeriodPicker } from '../frame/period-picker.tsx'
import { ZonePicker } from '../frame/zone-picker.tsx'
import { isTooCoarse, isTooFine, rangeOf, stepFor, type Period } from '../model/period.ts'
import { isSame, type BannerModel, type Choice, type Shown } from './banner-model.ts'
import type { BannerView } from './banner-page.tsx'
import { Chart } from './chart.tsx'
import { csvName, csvOf } from './csv.ts'
import { NumbersTable } from './numbers-table.tsx'
import { Summary } from './summary.tsx'

const LASTING_MS = 300

interface BannerNumbersProps {
  readonly model: BannerModel
  readonly view: BannerView
  readonly choice: Choice
}

/** The clicks of a banner in a period, as a chart or a table. */
export function BannerNumbers({ model, view, choice }: BannerNumbersProps) {
  const app = useApp()
  const { text } = useLanguage()
  const shown = model.shown.value
  const { period, step, tz } = choice
  const range = rangeOf(period, tz, app.api.now())
  // Until the answer has come the last one stays in its place, but for nobody to take it for this one.
  const isCurrent = shown !== undefined && isSame(shown, choice)
  const isLate = useLasting(!isCurrent && shown !== undefined && model.failure.value === undefined)
  const canZoom = view.form === 'chart' && shown !== undefined && shown.series.total > 0
  const choosePeriod = (chosen: Period): void =>
    app.go({ ...view, period: chosen, step: stepFor(chosen), tz })
  return (
    <section aria-label={text.clicks}>
      {view.hasWrongRange === true && <Notice kind="warning">{text.wrongAddress}</Notice>}
      <PeriodPicker period={period} range={range} tz={tz} onChoose={choosePeriod} />
      <Choices view={view} choice={choice} />
      {isTooFine(step, range) ? (
        <Notice kind="warning">{text.rangeTooFine}</Notice>
      ) : (
        <div class="numbers" aria-busy={!isCurrent}>
          <Summary shown={shown} isLate={isLate} />
          {shown === undefined ? (
            <div class="chart empty">{model.failure.value === undefined && text.loading}</div>
          ) : view.form === 'table' ? (
            <NumbersTable shown={shown} />
          ) : (
            <Chart shown={shown} onZoom={choosePeriod} />
          )}
          <div class="head">
            <p class="quiet zoom">{canZoom && text.zoomAbout}</p>
            <button
              type="button"
              disabled={!isCurrent}
              onClick={() => isCurrent && download(shown)}
            >
              {text.download}
            </button>
          </div>
        </div>
      )}
    </section>
  )
}

/** Whether it has lasted: what is over in a moment is not told, it would only flicker. */
function useLasting(isOn: boolean): boolean {
  const [hasLasted, setLasted] = useState(false)
  useEffect(() => {
    setLasted(false)
    if (!isOn) return undefined
    const timer = setTimeout(() => setLasted(true), LASTING_MS)
    return () => clearTimeout(timer)
  }, [isOn])
  return isOn && hasLasted
}

function Choices({ view, choice }: { readonly view: BannerView; readonly choice: Choice }) {
  const app = useApp()
  const { text } = useLanguage()
  const { period, step, tz } = choice
  const range = rangeOf(period, tz, app.api.now())
  return (
    <div class="tools">
      <label>
        {text.step}
        <select
          value={step}
          onChange={(event) => app.go({ ...view, tz, step: event.currentTarget.value as Step })}
        >
          {STEPS.map((each) => (
            <option
              key={each}
              value={each}
              disabled={isTooFine(each, range) || isTooCoarse(each, period)}
            >
              {text.steps[each]}
            </option>
          ))}
        </select>
      </label>
      <ZonePicker tz={tz} onChoose={(zone) => app.go({ ...view, step, tz: zone })} />
      <div class="choice" role="group" aria-label={text.form}>
        {(['chart', 'table'] as const).map((form) => (
          <button
            key={form}
            type="button"
            aria-pressed={view.form === form}
            onClick={() => app.go({ ...view, step, tz, form })}
          >
            {text[form]}
          </button>
        ))}
      </div>
    </div>
  )
}

/** Exactly what is shown, in the columns of the service's own CSV. */
function download(shown: Shown): void {
  const url = URL.createObjectURL(new Blob([csvOf(shown)], { type: 'text/csv' }))
  const link = document.createElement('a')
  link.href = url
  link.download = csvName(shown)
  link.click()
  URL.revokeObjectURL(url)
}
