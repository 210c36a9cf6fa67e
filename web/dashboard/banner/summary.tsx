import { useLanguage } from '../frame/app.ts'
import { stepText } from '../text/step-text.ts'
import type { Shown } from './banner-model.ts'

/** Total, busiest minute and average of what is shown. */
export function Summary({ shown }: { readonly shown: Shown | undefined }) {
  const language = useLanguage()
  const { text } = language
  const peak = shown?.series.peak ?? undefined
  const steps = shown?.futureFrom ?? 0
  const total = shown?.series.total
  return (
    <dl class="figures">
      <div>
        <dt>{text.total}</dt>
        <dd>{total === undefined ? text.none : language.number(total)}</dd>
        <dd class="quiet">
          {shown?.before && `${text.previousTotal}: ${language.number(shown.before.total)}`}&nbsp;
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
        <dd>{total === undefined || steps === 0 ? text.none : language.decimal(total / steps)}</dd>
        <dd class="quiet">&nbsp;</dd>
      </div>
    </dl>
  )
}
