import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { CountHelper } from '../banner/count-helper.tsx'
import { useApp, useLanguage } from '../frame/app.ts'
import { Notice, StateOfNumbers } from '../frame/notice.tsx'
import { PeriodPicker } from '../frame/period-picker.tsx'
import { ZonePicker } from '../frame/zone-picker.tsx'
import { rangeOf } from '../model/period.ts'
import { hashOf, type OverviewView } from '../route.ts'
import { BannerTable } from './banner-table.tsx'
import { Figures } from './figures.tsx'
import { OverviewModel } from './overview-model.ts'

/** All banners at a glance. */
export function Overview({ view }: { readonly view: OverviewView }) {
  const app = useApp()
  const { text } = useLanguage()
  const { period } = view
  const tz = view.tz ?? app.zone.value
  const model = useMemo(() => new OverviewModel(app.api, { period, zone: tz }), [])
  useEffect(() => () => model.close(), [])
  const key = JSON.stringify(period)
  useEffect(() => model.choose(period, tz), [key, tz])
  // Who copies the address means what is seen, whatever a reader of it has chosen.
  useEffect(() => app.replace(view, { ...view, tz }), [hashOf(view), tz])
  useEffect(() => {
    document.title = 'Tallymark'
  }, [])
  const range = rangeOf(period, tz, app.api.now())
  const banners = model.banners.value
  return (
    <>
      <h1 class="hidden">{text.overview}</h1>
      <StateOfNumbers
        stream={model.stream}
        failure={model.failure.value}
        completeness={model.completeness.value}
        tz={tz}
        onRetry={() => model.retry()}
      />
      <Figures model={model} tz={tz} />
      <Welcome model={model} banners={banners} />
      <section aria-labelledby="banners-title">
        <div class="head">
          <h2 id="banners-title">{text.banners}</h2>
          <a class="button" href={hashOf({ kind: 'new' })}>
            {text.addBanner}
          </a>
        </div>
        {view.hasWrongRange === true && <Notice kind="warning">{text.wrongAddress}</Notice>}
        <div class="tools">
          <PeriodPicker
            period={period}
            range={range}
            tz={tz}
            onChoose={(chosen) => app.go({ ...view, period: chosen, tz })}
          />
          <ZonePicker tz={tz} onChoose={(zone) => app.go({ ...view, tz: zone })} />
        </div>
        {banners !== undefined && model.isSettled.value ? (
          <BannerTable model={model} banners={banners} view={view} tz={tz} />
        ) : (
          model.failure.value === undefined && <Loading loaded={model.loaded.value} />
        )}
      </section>
    </>
  )
}

function Loading({ loaded }: { readonly loaded: number }) {
  const language = useLanguage()
  const { text } = language
  const count = loaded > 0 ? ` ${text.bannerCount(loaded, language)}` : ''
  return <p class="quiet">{`${text.loading}${count}`}</p>
}

interface WelcomeProps {
  readonly model: OverviewModel
  readonly banners: readonly Banner[] | undefined
}

/** For a new installation: how to send the first click. */
function Welcome({ model, banners }: WelcomeProps) {
  const { text } = useLanguage()
  // Once it is shown it stays: somebody reads in it how their click arrives.
  const welcomed = useRef<Banner | undefined>(undefined)
  const isUntouched = model.isUntouched.value
  if (isUntouched) welcomed.current ??= banners?.find(({ status }) => status === 'active')
  const first = welcomed.current
  if (first === undefined) return null
  return (
    <section class="welcome" aria-labelledby="welcome-title">
      <h2 id="welcome-title">{isUntouched ? text.welcome : text.welcomeDone}</h2>
      <p>{isUntouched && text.welcomeAbout}</p>
      <CountHelper banner={first} isShort />
    </section>
  )
}
