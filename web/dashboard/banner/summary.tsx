import { useApp, useLanguage } from '../frame/app.ts'
import { stepText } from '../text/step-text.ts'
import { averageOf } from './average.ts'
import type { Shown } from './banner-model.ts'

/** Total, busiest minute and average of what is shown. */
export function Summary({ shown }: { readonly shown: Shown | undefined }) {
  const language = useLanguage()
  const { text } = language
  const peak = shown?.series.peak ?? undefined
  const total = shown?.series.total
  const average = shown && averageOf({ counts: shown.series.counts, openFrom: shown.openFrom })
  return (
    <>
      <dl class="figures">
        <div>
          <dt>{text.total}</dt>
          <dd>{total === undefined ? text.none : language.number(total)}</dd>
          <dd class="quiet">
            {shown?.before && `${text.before}: ${language.number(shown.before.total)}`}&nbsp;
          </dd>
        </div>
        <div>
          <dt>{text.peakMinute}</dt>
          <dd>{peak === undefined ? text.none : language.number(peak.count)}</dd>
          <dd class="quiet">
            {peak && shown && stepText(language, peak.at, 'minute', shown.tz)}
            {shown !== undefined && shown.series.peak === undefined && text.peakAbout}&nbsp;
          </dd>
        </div>
        <div>
          <dt>{text.averages[shown?.step ?? 'minute']}</dt>
          <dd>{average === undefined ? text.none : language.decimal(average)}</dd>
          <dd class="quiet">&nbsp;</dd>
        </div>
      </dl>
      <p class="quiet">{shown && <RangeText shown={shown} />}&nbsp;</p>
      {shown?.minutesFrom !== undefined && (
        <p class="quiet">
          {text.minutesGone(stepText(language, shown.minutesFrom, 'minute', shown.tz))}
        </p>
      )}
    </>
  )
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
