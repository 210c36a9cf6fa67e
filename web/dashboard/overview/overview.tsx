import { useEffect, useMemo, useRef } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { CountHelper } from '../banner/count-helper.tsx'
import { useApp, useLanguage } from '../frame/app.ts'
import { StateOfNumbers } from '../frame/notice.tsx'
import { PeriodPicker } from '../frame/period-picker.tsx'
import { rangeOf } from '../model/period.ts'
import { hashOf, type View } from '../route.ts'
import { BannerTable } from './banner-table.tsx'
import { Figures } from './figures.tsx'
import { OverviewModel } from './overview-model.ts'

type OverviewView = Extract<View, { kind: 'overview' }>

/** All banners at a glance. */
export function Overview({ view }: { readonly view: OverviewView }) {
  const app = useApp()
  const { text } = useLanguage()
  const zone = app.zone.value
  const { period } = view
  const model = useMemo(() => new OverviewModel(app.api, { period, zone }), [])
  useEffect(() => () => model.close(), [])
  const key = JSON.stringify(period)
  useEffect(() => model.choose(period, zone), [key, zone])
  useEffect(() => {
    document.title = 'Tallymark'
  }, [])
  const range = rangeOf(period, zone, app.api.now())
  const banners = model.banners.value
  return (
    <>
      <h1 class="hidden">{text.overview}</h1>
      <StateOfNumbers
        stream={model.stream}
        failure={model.failure.value}
        completeness={model.completeness.value}
        onRetry={() => model.retry()}
      />
      <Figures model={model} />
      <Welcome model={model} banners={banners} />
      <section aria-labelledby="banners-title">
        <div class="head">
          <h2 id="banners-title">{text.banners}</h2>
          <a class="button" href={hashOf({ kind: 'new' })}>
            {text.addBanner}
          </a>
        </div>
        <PeriodPicker
          period={period}
          range={range}
          tz={zone}
          onChoose={(chosen) => app.go({ ...view, period: chosen })}
        />
        {banners === undefined ? (
          <p class="quiet">{text.loading}</p>
        ) : (
          <BannerTable model={model} banners={banners} view={view} />
        )}
      </section>
    </>
  )
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
