import { useLayoutEffect, useState } from 'preact/hooks'

/** Where somebody was in the list when they left it for a banner. */
interface Place {
  readonly page: number
  readonly top: number
}

/** With the step of the history, so that the way back leads to it. */
export function keepPlace(page: number): void {
  history.replaceState({ page, top: scrollY } satisfies Place, '')
}

/** The page that is shown, at first that of the place where the way back leads. */
export function usePage() {
  const [place] = useState(() => history.state as Place | null) // nothing else is kept there
  useLayoutEffect(() => {
    if (place === null) return
    history.replaceState(null, '') // once: a reload begins anew
    scrollTo(0, place.top)
  }, [])
  return useState(place?.page ?? 0)
}
