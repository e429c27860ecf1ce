import { CSPProvider } from '@base-ui/react/csp-provider'
import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { Access } from './access.tsx'
import { App } from './app.tsx'
import './styles/base.css'
import './styles/frame.css'
import './styles/controls.css'
import './styles/overlays.css'
import './styles/composer.css'
import './styles/pages.css'
import './styles/fleet.css'
import './styles/reader.css'
import './styles/conversation.css'
import './styles/tools.css'

const root = document.getElementById('root')
if (root === null) throw new Error('the page has no root')

createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <Access>
        <App />
      </Access>
    </CSPProvider>
  </StrictMode>,
)
