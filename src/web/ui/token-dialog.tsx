import { Dialog } from '@base-ui/react/dialog'
import { useId, useState } from 'react'

/** It cannot be closed: without a token there is nothing to see. */
export const TokenDialog = ({ refused, onToken }: { refused: boolean; onToken: (token: string) => void }) => {
  const [token, setToken] = useState('')
  const id = useId()
  return (
    <Dialog.Root open>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog">
          <Dialog.Title className="dialog-title">This ALEX needs a token</Dialog.Title>
          <Dialog.Description className="muted">
            One of its <code>api_tokens</code>. It stays in this tab’s memory: a reload asks again.
          </Dialog.Description>
          <form
            className="stack"
            onSubmit={(event) => {
              event.preventDefault()
              if (token.trim() !== '') onToken(token.trim())
            }}
          >
            <label htmlFor={id}>Token</label>
            <input
              id={id}
              className="input mono"
              type="password"
              autoComplete="off"
              value={token}
              aria-invalid={refused}
              aria-describedby={refused ? `${id}-refused` : undefined}
              onChange={(event) => setToken(event.target.value)}
            />
            {refused && (
              <p id={`${id}-refused`} role="alert" className="bad-text">
                This token is not known.
              </p>
            )}
            <div className="dialog-actions">
              <button type="submit" className="button primary" disabled={token.trim() === ''}>
                Continue
              </button>
            </div>
          </form>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
