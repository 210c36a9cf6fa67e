/** What outlives a reload, or nothing where the browser keeps nothing for this page. */
export type Memory = Pick<Storage, 'getItem' | 'setItem'>

/** The browser's storage; where it is forbidden, one that forgets with the page. */
export function memory(open: () => Storage): Memory {
  try {
    const storage = open()
    storage.setItem('tallymark.probe', '') // it may be full, or forbidden only now
    storage.removeItem('tallymark.probe')
    return storage
  } catch {
    const values = new Map<string, string>()
    return {
      getItem: (key) => values.get(key) ?? null,
      setItem: (key, value) => void values.set(key, value),
    }
  }
}
