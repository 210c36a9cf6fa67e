import { fileURLToPath } from 'node:url'
import type { InlineConfig } from 'vite'

const folder = (path: string): string => fileURLToPath(new URL(`../${path}`, import.meta.url))

/** How Vite makes the dashboard, and serves it to those who work on it. */
export const DASHBOARD: InlineConfig = {
  root: folder('web/dashboard/'),
  configFile: false,
  base: './', // it may stand behind a proxy, below another path
  publicDir: false,
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  build: {
    outDir: folder('dist/page/dashboard/'),
    emptyOutDir: true,
    license: { fileName: 'licenses.md' }, // of what is bundled: their authors ask for it
    target: 'es2022',
    assetsInlineLimit: 0, // the security policy allows no data URL of a script
    modulePreload: { polyfill: false }, // would be an inline script
    reportCompressedSize: false,
  },
}
