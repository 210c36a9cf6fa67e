import type { ReadonlySignal } from '@preact/signals'
import { useLanguage } from '../frame/app.ts'
import { Tile } from '../frame/tile.tsx'
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
      <Tile
        title={text.rate}
        value={rate === undefined ? undefined : language.decimal(rate)}
        hint={text.rateAbout}
      >
        {text.perSecond(rate ?? 0, language)}
      </Tile>
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
    <Tile title={title} value={value === undefined ? undefined : language.number(value.total)}>
      {value !== undefined &&
        text.since(language.date(value.since, tz, { hour: '2-digit', minute: '2-digit' }))}
    </Tile>
  )
}
