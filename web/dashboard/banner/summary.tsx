import { useApp, useLanguage } from '../frame/app.ts'
import { Tile } from '../frame/tile.tsx'
import { stepText } from '../text/step-text.ts'
import { averageOf } from './average.ts'
import type { Shown } from './banner-model.ts'

interface SummaryProps {
  readonly shown: Shown | undefined
  /** Something else was chosen, and its answer takes its time. */
  readonly isLate: boolean
}

/** Total, busiest minute and average of what is shown. */
export function Summary({ shown, isLate }: SummaryProps) {
  const language = useLanguage()
  const { text } = language
  const peak = shown?.series.peak ?? undefined
  const average = shown && averageOf({ counts: shown.series.counts, openFrom: shown.openFrom })
  return (
    <>
      <dl class="figures">
        <Tile title={text.total} value={numberOf(shown?.series.total)}>
          {shown?.before && `${text.before}: ${language.number(shown.before.total)}`}
        </Tile>
        <Tile title={text.peakMinute} value={numberOf(peak?.count)}>
          {peak && shown && stepText(language, peak.at, 'minute', shown.tz)}
          {shown !== undefined && shown.series.peak === undefined && text.peakAbout}
        </Tile>
        <Tile
          title={text.averages[shown?.step ?? 'minute']}
          value={average === undefined ? undefined : language.decimal(average)}
        />
      </dl>
      <p class="quiet">
        <span role="status">{isLate && text.loading}</span>
        {!isLate && shown && <RangeText shown={shown} />}&nbsp;
      </p>
      {shown?.minutesFrom !== undefined && (
        <p class="quiet">
          {text.minutesGone(stepText(language, shown.minutesFrom, 'minute', shown.tz))}
        </p>
      )}
    </>
  )

  function numberOf(count: number | undefined): string | undefined {
    return count === undefined ? undefined : language.number(count)
  }
}

/** What was really read: the service takes in whole steps. */
function RangeText({ shown: { from, to, tz } }: { readonly shown: Shown }) {
  const { api } = useApp()
  const language = useLanguage()
  const [first = '', last = ''] = [from, to].map((at) => stepText(language, at, 'minute', tz))
  const { counted, countedSoFar } = language.text
  const now = api.now()
  return <>{from <= now && to > now ? countedSoFar(first) : counted(first, last)}</>
}
