import { AlertDialog } from '@base-ui/react/alert-dialog'

export interface Question {
  title: string
  text: string
  /** On the button that does it. */
  does: string
  act: () => void
}

/** Asks before something that cannot be taken back. */
export const Confirm = ({ question, onClose }: { question: Question | null; onClose: () => void }) => (
  <AlertDialog.Root open={question !== null} onOpenChange={(open) => !open && onClose()}>
    <AlertDialog.Portal>
      <AlertDialog.Backdrop className="backdrop" />
      <AlertDialog.Popup className="dialog">
        <AlertDialog.Title className="dialog-title">{question?.title}</AlertDialog.Title>
        <AlertDialog.Description className="muted">{question?.text}</AlertDialog.Description>
        <div className="dialog-actions">
          <AlertDialog.Close className="button">Keep</AlertDialog.Close>
          <button
            type="button"
            className="button danger"
            onClick={() => {
              question?.act()
              onClose()
            }}
          >
            {question?.does}
          </button>
        </div>
      </AlertDialog.Popup>
    </AlertDialog.Portal>
  </AlertDialog.Root>
)
