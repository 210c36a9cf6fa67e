import { render } from 'preact'

const place = document.getElementById('page')
if (place !== null) render(<h1>Tallymark</h1>, place)
