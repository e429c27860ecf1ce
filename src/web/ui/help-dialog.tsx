import { Dialog } from '@base-ui/react/dialog'
import { useSingleKeys } from '../state/shortcuts.ts'
import { Icon } from './icon.tsx'

const KEYS: [title: string, keys: [key: string, does: string][]][] = [
  [
    'Everywhere',
    [
      ['Ctrl Enter', 'Submit the task (⌘ Enter on a Mac)'],
      ['n', 'Write a task'],
      ['g t', 'Tasks'],
      ['g s', 'Sessions'],
      ['g f', 'Fleet'],
      ['?', 'This help'],
      ['Esc', 'Close'],
    ],
  ],
  [
    'In a list',
    [
      ['j', 'Next'],
      ['k', 'Previous'],
      ['Enter', 'Open'],
      ['x', 'Select'],
      ['c', 'Cancel what is selected'],
      ['/', 'Search'],
    ],
  ],
  [
    'On a task',
    [
      ['c', 'Cancel'],
      ['j', 'Down'],
      ['k', 'Up'],
      ['End', 'Latest'],
      ['u', 'Back to the list'],
    ],
  ],
]

export const HelpDialog = (props: { open: boolean; onOpenChange: (open: boolean) => void }) => {
  const [on, setOn] = useSingleKeys()
  return (
    <Dialog.Root open={props.open} onOpenChange={props.onOpenChange}>
      <Dialog.Portal>
        <Dialog.Backdrop className="backdrop" />
        <Dialog.Popup className="dialog wide">
          <Dialog.Title className="dialog-title">Keys</Dialog.Title>
          <div className="keys">
            {KEYS.map(([title, keys]) => (
              <section key={title}>
                <h3>{title}</h3>
                <dl>
                  {keys.map(([key, does]) => (
                    <div key={key}>
                      <dt>
                        {key.split(' ').map((each) => (
                          <kbd key={each}>{each}</kbd>
                        ))}
                      </dt>
                      <dd>{does}</dd>
                    </div>
                  ))}
                </dl>
              </section>
            ))}
          </div>
          <label className="check">
            <input type="checkbox" checked={on} onChange={(event) => setOn(event.target.checked)} />
            Keys without a modifier
          </label>
          <Dialog.Close className="button quiet dialog-close" aria-label="Close">
            <Icon name="cross" />
          </Dialog.Close>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  )
}
