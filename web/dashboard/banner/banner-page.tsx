import { useEffect, useMemo } from 'preact/hooks'
import type { Banner } from '../api/api.ts'
import { Problem } from '../api/problem.ts'
import { useApp, useLanguage } from '../frame/app.ts'
import { NotFound } from '../frame/not-found.tsx'
import { StateOfNumbers } from '../frame/notice.tsx'
import { isTooCoarse, stepFor } from '../model/period.ts'
import { hashOf, OVERVIEW, type View } from '../route.ts'
import { BannerModel } from './banner-model.ts'
import { BannerNumbers } from './banner-numbers.tsx'
import { BannerSettings } from './banner-settings.tsx'
import { CountHelper } from './count-helper.tsx'

export type BannerView = Extract<View, { kind: 'banner' }>

/** One banner: its numbers, how to count for it, and its settings. */
export function BannerPage({ view }: { readonly view: BannerView }) {
  const app = useApp()
  const { text } = useLanguage()
  const { id, period } = view
  const tz = view.tz ?? app.zone.value
  const wanted = view.step ?? stepFor(period)
  const step = isTooCoarse(wanted, period) ? stepFor(period) : wanted
  const choice = { period, step, tz }
  const model = useMemo(() => new BannerModel(app.api, id, choice), [id])
  useEffect(() => () => model.close(), [model])
  // Who copies the address means what is seen, whatever a reader of it has chosen.
  useEffect(() => app.replace(view, { ...view, step, tz }), [hashOf(view), step, tz])
  useEffect(() => model.choose(choice), [model, JSON.stringify(choice)])
  const banner = model.banner.value
  const failure = model.failure.value
  useEffect(() => {
    document.title = banner === undefined ? 'Tallymark' : `${banner.name} – Tallymark`
  }, [banner?.name])
  if (failure instanceof Problem && failure.code === 'banner_not_found') {
    const known = text.problems[failure.code]
    return (
      <NotFound title={known ?? failure.message} lang={known === undefined ? 'en' : undefined} />
    )
  }
  return (
    <>
      <p class="path">
        <a href={hashOf({ ...OVERVIEW, period, tz })}>← {text.overview}</a>
      </p>
      <Title id={id} banner={banner} />
      <StateOfNumbers
        stream={model.stream}
        failure={failure}
        completeness={model.shown.value}
        tz={tz}
        onRetry={() => model.retry()}
      />
      <BannerNumbers model={model} view={view} choice={choice} />
      {banner !== undefined && (
        <div class="two">
          <section aria-labelledby="count-title">
            <h2 id="count-title">{text.countClick}</h2>
            <CountHelper banner={banner} />
          </section>
          <section aria-labelledby="settings-title">
            <h2 id="settings-title">{text.settings}</h2>
            <BannerSettings banner={banner} onChange={(changed) => model.take(changed)} />
          </section>
        </div>
      )}
    </>
  )
}

function Title({ id, banner }: { readonly id: number; readonly banner: Banner | undefined }) {
  const { text } = useLanguage()
  return (
    <div class="title">
      <h1>
        <bdi>{banner?.name ?? `${text.banner} ${id}`}</bdi>
        {banner !== undefined && banner.status !== 'active' && (
          <span class={`badge ${banner.status}`}>{text.status[banner.status]}</span>
        )}
      </h1>
      <p class="quiet">
        {text.id} {id}
        {banner !== undefined && ' · '}
        {banner !== undefined && <Destination url={banner.url} />}
      </p>
    </div>
  )
}

function Destination({ url }: Pick<Banner, 'url'>) {
  const { text } = useLanguage()
  if (url === null) return <>{text.noDestination}</>
  return (
    <a href={url} title={url} rel="noreferrer noopener" target="_blank">
      {url}
    </a>
  )
}
