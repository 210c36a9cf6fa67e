import { signal, type ReadonlySignal } from '@preact/signals'
import type { Memory } from '../frame/storage.ts'

export type TokenKind = 'read' | 'admin'

/** A token that somebody has to type before requests can go on. */
export interface TokenQuestion {
  readonly kind: TokenKind
  /** The one that was given is not the service's. */
  readonly wasWrong: boolean
}

/**
 * The tokens that were typed, for this tab alone and until it is closed. Who needs one waits for
 * the same question; once it was declined, only somebody's own wish asks for that token again.
 */
export class Tokens {
  readonly #storage: Memory
  readonly #question = signal<TokenQuestion | undefined>(undefined)
  #asking: { readonly kind: TokenKind; readonly answered: Promise<boolean> } | undefined
  #settle: (isGiven: boolean) => void = () => {}
  readonly #declined = new Set<TokenKind>()

  constructor(storage: Memory) {
    this.#storage = storage
  }

  get question(): ReadonlySignal<TokenQuestion | undefined> {
    return this.#question
  }

  /** What a request sends: reading works with either token, changing wants the admin's. */
  for(kind: TokenKind): string | undefined {
    const [read, admin] = [this.#stored('read'), this.#stored('admin')]
    return kind === 'admin' ? (admin ?? read) : (read ?? admin)
  }

  /** Resolves to whether a token was given. `isWanted`: somebody pressed something that needs it. */
  async ask(kind: TokenKind, isWanted: boolean): Promise<boolean> {
    if (this.#declined.has(kind) && !isWanted) return false
    // A question of the other kind is answered first.
    while (this.#asking !== undefined && this.#asking.kind !== kind) await this.#asking.answered
    if (this.#asking === undefined) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      this.#asking = { kind, answered: promise }
      this.#settle = resolve
      this.#question.value = { kind, wasWrong: this.#stored(kind) !== undefined }
    }
    return await this.#asking.answered
  }

  /** Somebody wants to try once more. */
  askAgain(): void {
    this.#declined.clear()
  }

  /** Undefined: it was declined. One that no header can carry, such as a word in Cyrillic, is wrong. */
  answer(token: string | undefined): void {
    const kind = this.#asking?.kind
    if (kind !== undefined && token !== undefined && !/^[\x21-\x7e]+$/.test(token)) {
      this.#question.value = { kind, wasWrong: true }
      return
    }
    if (kind !== undefined && token !== undefined) {
      this.#storage.setItem(keyOf(kind), token)
      this.#declined.delete(kind)
    } else if (kind !== undefined) {
      this.#declined.add(kind)
    }
    this.#asking = undefined
    this.#question.value = undefined
    this.#settle(token !== undefined)
  }

  #stored(kind: TokenKind): string | undefined {
    return this.#storage.getItem(keyOf(kind)) ?? undefined
  }
}

function keyOf(kind: TokenKind): string {
  return `tallymark.${kind}-token`
}
