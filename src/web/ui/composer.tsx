import { type KeyboardEvent, useCallback, useId, useState } from 'react'
import { AlexError, type TaskCreated } from '../../client/client.ts'
import { useClient } from '../access.tsx'
import { usePolled } from '../state/use-polled.ts'
import { taskOf, type Wishes } from '../state/wishes.ts'
import { Icon } from './icon.tsx'
import { Picker } from './picker.tsx'

const NO_WISHES: Wishes = { agent: '', tools: '', model: '', iterations: '', tokens: '', usd: '' }

/** Writes a task and hands it in; with `sessionId` it goes on in that session. */
export const Composer = ({
  sessionId,
  onSubmitted,
}: {
  sessionId?: string
  onSubmitted: (created: TaskCreated) => void
}) => {
  const client = useClient()
  const [text, setText] = useState('')
  const [wishes, setWishes] = useState(NO_WISHES)
  const [state, setState] = useState<{ busy: boolean; error?: Error }>({ busy: false })
  const id = useId()

  const submit = async () => {
    if (text.trim() === '' || state.busy) return
    setState({ busy: true })
    try {
      const created = await client.submit(taskOf(text, wishes, sessionId))
      setText('')
      setState({ busy: false })
      onSubmitted(created)
    } catch (error) {
      setState({ busy: false, error: error instanceof Error ? error : new Error(String(error)) })
    }
  }
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key !== 'Enter' || !(event.ctrlKey || event.metaKey)) return
    event.preventDefault()
    void submit()
  }

  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- keys typed in its fields
    <form
      className="composer"
      aria-label={sessionId === undefined ? 'New task' : 'Follow-up task'}
      onSubmit={(event) => {
        event.preventDefault()
        void submit()
      }}
      onKeyDown={onKeyDown}
    >
      <label className="sr-only" htmlFor="task-text">
        Task
      </label>
      <textarea
        id="task-text"
        className="composer-text"
        rows={2}
        maxLength={200_000}
        placeholder={
          sessionId === undefined ? 'What should be done?' : 'What should be done next in this session?'
        }
        value={text}
        aria-describedby={state.error ? `${id}-error` : undefined}
        onChange={(event) => setText(event.target.value)}
      />
      {state.error && (
        <p id={`${id}-error`} className="banner bad" role="alert">
          {state.error instanceof AlexError ? state.error.detail : ''}
          {state.error instanceof AlexError && state.error.errors.length > 0
            ? ` ${state.error.errors.map(({ path, message }) => `${path}: ${message}`).join('; ')}`
            : ''}
          {state.error instanceof AlexError ? '' : state.error.message}
        </p>
      )}
      <div className="composer-foot">
        <Options wishes={wishes} onChange={setWishes} />
        <button type="submit" className="button primary" disabled={text.trim() === '' || state.busy}>
          <Icon name="send" />
          {state.busy ? 'Submitting…' : 'Submit'}
          <kbd className="on-primary">Ctrl ⏎</kbd>
        </button>
      </div>
    </form>
  )
}

const Options = ({ wishes, onChange }: { wishes: Wishes; onChange: (wishes: Wishes) => void }) => {
  const chosen = [wishes.agent, wishes.tools, wishes.model, wishes.usd && `$${wishes.usd}`].filter(Boolean)
  const [open, setOpen] = useState(false)
  return (
    <details className="options" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary className="button quiet">
        <Icon name="chevron" />
        Agent, tools, model, budget
        {chosen.length > 0 && <span className="muted">{chosen.join(' · ')}</span>}
      </summary>
      {open && <OptionFields wishes={wishes} onChange={onChange} />}
    </details>
  )
}

const OptionFields = ({ wishes, onChange }: { wishes: Wishes; onChange: (wishes: Wishes) => void }) => {
  const client = useClient()
  const load = useCallback((signal: AbortSignal) => client.presets({ signal }), [client])
  const { data: presets } = usePolled(load, null)
  const set = (name: keyof Wishes) => (value: string) => onChange({ ...wishes, [name]: value })
  const tools = presets?.tool_presets.find(({ name }) => name === wishes.tools)
  return (
    <div className="options-body">
      <div className="fields pickers">
        <Picker
          label="Agent"
          value={wishes.agent}
          choices={presets?.agent_presets ?? []}
          onChange={set('agent')}
        />
        <Picker
          label="Tools"
          value={wishes.tools}
          choices={presets?.tool_presets ?? []}
          onChange={set('tools')}
        />
      </div>
      {tools && (
        <div className="allows">
          <ToolNames title="Allowed" names={tools.allowed} />
          <ToolNames title="Denied" names={tools.denied} />
        </div>
      )}
      <div className="fields">
        <Field label="Model" hint="the server’s" value={wishes.model} onChange={set('model')} />
        <Field
          label="Steps at most"
          numeric
          hint="the server’s"
          value={wishes.iterations}
          onChange={set('iterations')}
        />
        <Field label="Budget in USD" numeric hint="none" value={wishes.usd} onChange={set('usd')} />
        <Field label="Budget in tokens" numeric hint="none" value={wishes.tokens} onChange={set('tokens')} />
      </div>
    </div>
  )
}

const ToolNames = ({ title, names }: { title: string; names: string[] }) =>
  names.length === 0 ? null : (
    <div className="tool-names" data-denied={title === 'Denied'}>
      <span>{title}</span>
      <ul>
        {names.map((name) => (
          <li key={name} className="chip mono">
            {name}
          </li>
        ))}
      </ul>
    </div>
  )

const Field = (props: {
  label: string
  hint: string
  value: string
  numeric?: boolean
  onChange: (value: string) => void
}) => {
  const id = useId()
  return (
    <div className="field">
      <label className="field-label" htmlFor={id}>
        {props.label}
      </label>
      <input
        id={id}
        className="input"
        inputMode={props.numeric ? 'decimal' : 'text'}
        pattern={props.numeric ? '[0-9]*[.]?[0-9]+' : undefined}
        placeholder={props.hint}
        autoComplete="off"
        spellCheck={false}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
    </div>
  )
}
