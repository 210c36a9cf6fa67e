import { useEffect, useRef } from 'preact/hooks'
import { BannerPage } from '../banner/banner-page.tsx'
import { NewBanner } from '../banner/new-banner.tsx'
import { Overview } from '../overview/overview.tsx'
import { hashOf, OVERVIEW, type View } from '../route.ts'
import { LANGUAGES, type LanguageCode } from '../text/language.ts'
import { useApp, useLanguage } from './app.ts'
import { NotFound } from './not-found.tsx'
import { TokenDialog } from './token-dialog.tsx'

/** What every view has around it. */
export function Frame() {
  const app = useApp()
  const { code, text } = useLanguage()
  const view = app.view.value
  const main = useRef<HTMLElement>(null)
  useEffect(() => {
    document.documentElement.lang = code
  }, [code])
  const place = placeOf(view)
  const wasShown = useRef(place)
  useEffect(() => {
    if (wasShown.current === place) return
    wasShown.current = place
    scrollTo(0, 0)
    // So that a screen reader and the next Tab begin at what is new.
    main.current?.focus({ preventScroll: true })
  }, [place])
  return (
    <>
      <a
        class="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault() // the part after # is the address of the view
          main.current?.focus()
        }}
      >
        {text.skip}
      </a>
      <header>
        <a class="brand" href={hashOf(OVERVIEW)}>
          <Mark /> Tallymark
        </a>
        <nav>
          <a href="docs">{text.api}</a>
          <label>
            <span class="hidden">{text.language}</span>
            <select
              value={code}
              onChange={(event) => app.setLanguage(event.currentTarget.value as LanguageCode)}
            >
              {Object.entries(LANGUAGES).map(([each, name]) => (
                <option key={each} value={each} lang={each}>
                  {name}
                </option>
              ))}
            </select>
          </label>
        </nav>
      </header>
      <main id="main" ref={main} tabIndex={-1}>
        <Shown view={view} key={place} />
      </main>
      <TokenDialog />
    </>
  )
}

/** What is the same place, whatever range of it is looked at. */
function placeOf(view: View): string {
  return view.kind === 'banner' ? `banner ${view.id}` : view.kind
}

function Shown({ view }: { readonly view: View }) {
  const { text } = useLanguage()
  switch (view.kind) {
    case 'overview': {
      return <Overview view={view} />
    }
    case 'banner': {
      return <BannerPage view={view} />
    }
    case 'new': {
      return <NewBanner />
    }
    case 'unknown': {
      return <NotFound title={text.notFound} />
    }
  }
  return view satisfies never
}

function Mark() {
  return (
    <svg class="mark" viewBox="0 0 24 24" width="24" height="24" aria-hidden="true">
      <path d="M5 4v16M10 4v16M15 4v16M20 4v16M2 17 23 7" />
    </svg>
  )
}
