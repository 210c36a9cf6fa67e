import 'uplot/dist/uPlot.min.css'
import './style.css'
import { render } from 'preact'
import { App, AppContext } from './frame/app.ts'
import { Frame } from './frame/frame.tsx'
import { memory } from './frame/storage.ts'

const app = new App({
  memory: memory(() => localStorage),
  session: memory(() => sessionStorage),
})
const place = document.getElementById('page')
if (place !== null) {
  render(
    <AppContext.Provider value={app}>
      <Frame />
    </AppContext.Provider>,
    place,
  )
}
