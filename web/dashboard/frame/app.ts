import { computed, signal, type ReadonlySignal } from '@preact/signals'
import { createContext } from 'preact'
import { useContext } from 'preact/hooks'
import { Api } from '../api/api.ts'
import { Tokens } from '../api/tokens.ts'
import { isZone } from '../model/period.ts'
import { hashOf, viewOf, type View } from '../route.ts'
import { Language, LANGUAGES, preferredLanguage, type LanguageCode } from '../text/language.ts'
import type { Memory } from './storage.ts'

const LANGUAGE_KEY = 'tallymark.language'
const ZONE_KEY = 'tallymark.zone'

/** What every part of the page is given: the service, where it is, and how its reader likes it. */
export class App {
  readonly tokens: Tokens
  readonly api: Api
  readonly language: ReadonlySignal<Language>
  readonly #memory: Memory
  readonly #code
  readonly #zone
  readonly #view = signal(viewOf(location.hash))

  constructor(parts: { readonly memory: Memory; readonly session: Memory }) {
    this.#memory = parts.memory
    this.tokens = new Tokens(parts.session)
    this.api = new Api(this.tokens)
    const stored = this.#memory.getItem(LANGUAGE_KEY)
    this.#code = signal(isLanguage(stored) ? stored : preferredLanguage(navigator.languages))
    this.language = computed(() => new Language(this.#code.value, navigator.languages))
    const zones = [this.#memory.getItem(ZONE_KEY), Intl.DateTimeFormat().resolvedOptions().timeZone]
    this.#zone = signal(zones.find((zone) => zone !== null && isZone(zone)) ?? 'UTC')
    addEventListener('hashchange', () => (this.#view.value = viewOf(location.hash)))
  }

  get view(): ReadonlySignal<View> {
    return this.#view
  }

  get zone(): ReadonlySignal<string> {
    return this.#zone
  }

  setLanguage(code: LanguageCode): void {
    this.#code.value = code
    this.#memory.setItem(LANGUAGE_KEY, code)
  }

  setZone(zone: string): void {
    this.#zone.value = zone
    this.#memory.setItem(ZONE_KEY, zone)
  }

  go(view: View): void {
    location.hash = hashOf(view)
  }

  /** Corrects the address of a view that is shown, without a step in the history. */
  replace(shown: View, view: View): void {
    if (hashOf(view) === location.hash) return
    // Somebody has gone on, which the page is about to be told, or was told after it drew `shown`:
    // the address is no longer its own. Two drawings that correct each other's would never end.
    const current = hashOf(this.#view.peek())
    if (hashOf(shown) !== current || hashOf(viewOf(location.hash)) !== current) return
    history.replaceState(null, '', hashOf(view))
    this.#view.value = view
  }
}

function isLanguage(code: string | null): code is LanguageCode {
  return code !== null && Object.hasOwn(LANGUAGES, code)
}

export const AppContext = createContext<App | undefined>(undefined)

export function useApp(): App {
  const app = useContext(AppContext)
  if (app === undefined) throw new Error('outside of the page')
  return app
}

/** The language's messages and formats; the component is drawn anew when another one is chosen. */
export function useLanguage(): Language {
  return useApp().language.value
}
