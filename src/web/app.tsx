import { useEffect, useMemo, useState } from 'react'
import { Link, Route, Switch, useLocation } from 'wouter'
import { FleetPage } from './pages/fleet-page.tsx'
import { SessionPage } from './pages/session-page.tsx'
import { SessionsPage } from './pages/sessions-page.tsx'
import { TaskPage } from './pages/task-page.tsx'
import { TasksPage } from './pages/tasks-page.tsx'
import { useShortcuts } from './state/shortcuts.ts'
import { HealthLink } from './ui/health-link.tsx'
import { HelpDialog } from './ui/help-dialog.tsx'
import { Icon } from './ui/icon.tsx'

const PLACES = [
  { href: '/', name: 'Tasks', icon: 'tasks', within: /^\/(tasks\/|$)/ },
  { href: '/sessions', name: 'Sessions', icon: 'sessions', within: /^\/sessions/ },
  { href: '/fleet', name: 'Fleet', icon: 'fleet', within: /^\/fleet/ },
] as const

/** The frame around every page: where one can go, how the fleet is, and the keys. */
export const App = () => {
  const [path, go] = useLocation()
  const [helping, setHelping] = useState(false)
  useShortcuts(
    useMemo(
      () => ({
        '?': () => setHelping(true),
        'g t': () => go('/'),
        'g s': () => go('/sessions'),
        'g f': () => go('/fleet'),
        n: () => focusOn('#task-text'),
        '/': () => focusOn('input[type=search]'),
      }),
      [go],
    ),
  )
  return (
    <>
      <a className="skip" href="#main">
        Skip to content
      </a>
      <header className="rail">
        <Link href="/" className="brand" aria-label="ALEX, tasks">
          <img src="/favicon.svg" alt="" width="24" height="24" />
          <span>ALEX</span>
        </Link>
        <nav aria-label="Pages" className="places">
          {PLACES.map(({ href, name, icon, within }) => (
            <Link
              key={href}
              href={href}
              className="place"
              aria-current={within.test(path) ? 'page' : undefined}
            >
              <Icon name={icon} />
              {name}
            </Link>
          ))}
        </nav>
        <div className="rail-foot">
          <HealthLink />
          <button type="button" className="button quiet" onClick={() => setHelping(true)}>
            <kbd>?</kbd>
            <span className="rail-word">Keys</span>
          </button>
        </div>
      </header>
      <main id="main" tabIndex={-1}>
        <Switch>
          <Route path="/" component={TasksPage} />
          <Route path="/tasks/:id">{({ id }) => <TaskPage key={id} id={id} />}</Route>
          <Route path="/sessions" component={SessionsPage} />
          <Route path="/sessions/:id">{({ id }) => <SessionPage key={id} id={id} />}</Route>
          <Route path="/fleet" component={FleetPage} />
          <Route>
            <NothingHere />
          </Route>
        </Switch>
      </main>
      <HelpDialog open={helping} onOpenChange={setHelping} />
    </>
  )
}

const focusOn = (selector: string) => document.querySelector<HTMLElement>(selector)?.focus()

const NothingHere = () => {
  useEffect(() => {
    document.title = 'Nothing here · ALEX'
  }, [])
  return (
    <div className="page">
      <h1>Nothing here</h1>
      <p>
        <Link href="/">To the tasks</Link>
      </p>
    </div>
  )
}
