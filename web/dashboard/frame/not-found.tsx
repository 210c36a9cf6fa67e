import { useEffect } from 'preact/hooks'
import { hashOf, OVERVIEW } from '../route.ts'
import { useLanguage } from './app.ts'

interface NotFoundProps {
  readonly title: string
  /** Of the title: the service says it in English, whatever the page speaks. */
  readonly lang?: string | undefined
}

/** In the place of a view that there is not. */
export function NotFound({ title, lang }: NotFoundProps) {
  const { text } = useLanguage()
  useEffect(() => {
    document.title = `${title} – Tallymark`
  }, [title])
  return (
    <>
      <h1 lang={lang}>{title}</h1>
      <p>
        <a href={hashOf(OVERVIEW)}>{text.toOverview}</a>
      </p>
    </>
  )
}
