import type { ReadonlySignal } from '@preact/signals'
import { useLanguage } from '../frame/app.ts'
import type { Figure, OverviewModel } from './overview-model.ts'

interface FiguresProps {
  readonly model: OverviewModel
  readonly tz: string
}

/** The clicks of the last minute, hour and day, and how many come now. */
export function Figures({ model, tz }: FiguresProps) {
  const language = useLanguage()
  const { text } = language
  const { value } = model.rate
  const rate = value && Math.round(value * 10) / 10
  return (
    <dl class="figures">
      <FigureTile title={text.lastMinute} figure={model.minute} tz={tz} />
      <FigureTile title={text.lastHour} figure={model.hour} tz={tz} />
      <FigureTile title={text.lastDay} figure={model.day} tz={tz} />
      <div title={text.rateAbout}>
        <dt>{text.rate}</dt>
        <dd>{rate === undefined ? text.none : language.decimal(rate)}</dd>
        <dd class="quiet">{text.perSecond(rate ?? 0, language)}</dd>
      </div>
    </dl>
  )
}

interface FigureTileProps {
  readonly title: string
  readonly figure: ReadonlySignal<Figure | undefined>
  readonly tz: string
}

function FigureTile({ title, figure, tz }: FigureTileProps) {
  const language = useLanguage()
  const { text } = language
  const { value } = figure
  return (
    <div>
      <dt>{title}</dt>
      <dd>{value === undefined ? text.none : language.number(value.total)}</dd>
      <dd class="quiet">
        {value !== undefined &&
          text.since(language.date(value.since, tz, { hour: '2-digit', minute: '2-digit' }))}
        &nbsp;
      </dd>
    </div>
  )
}
