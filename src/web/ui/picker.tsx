import { useId } from 'react'

interface Choice {
  name: string
  description: string
}

/**
 * One of a few named things, and a line on what the chosen one is. The browser's own control: at home on every
 * screen, and a fifth of the console's code less. The empty name is the server's default.
 */
export const Picker = ({
  label,
  value,
  choices,
  onChange,
}: {
  label: string
  value: string
  choices: readonly Choice[]
  onChange: (name: string) => void
}) => {
  const id = useId()
  const chosen = choices.find(({ name }) => name === value)
  return (
    <div className="field picker">
      <label className="field-label" htmlFor={id}>
        {label}
      </label>
      <select
        id={id}
        className="input"
        value={value}
        aria-describedby={`${id}-about`}
        onChange={(event) => onChange(event.target.value)}
      >
        <option value="">the server’s default</option>
        {choices.map(({ name }) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <p id={`${id}-about`} className="about">
        {chosen?.description ?? ''}
      </p>
    </div>
  )
}
