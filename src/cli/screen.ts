/** Who hears what: the answer goes to stdout, all else to stderr, and only a terminal gets anything that moves. */
import { childEnvironment } from '../config.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏']
const FRAME_MS = 100
const ERASE_LINE = '\r\u001b[K'

export type Screen = ReturnType<typeof createScreen>

/**
 * `speaks`: text may be written as it comes. Libraries for spinners leave at Ctrl-C, which is ours to answer, and
 * know of one stream only.
 */
export const createScreen = ({ json, quiet }: { json: boolean; quiet: boolean }) => {
  const { stdout, stderr } = process
  const moves = stderr.isTTY && !quiet && childEnvironment()['TERM'] !== 'dumb'
  const speaks = stdout.isTTY && !json
  let status = ''
  let midLine = false
  let isShown = false
  let isAsking = false
  let frame = 0

  const erase = () => {
    if (isShown) stderr.write(ERASE_LINE)
    isShown = false
  }
  const draw = () => {
    if (status === '' || midLine || isAsking) return
    frame = (frame + 1) % FRAMES.length
    const room = Math.max(10, (stderr.columns || 80) - 3)
    stderr.write(`${ERASE_LINE}${FRAMES[frame]} ${status.slice(0, room)}`)
    isShown = true
  }
  const timer = moves ? setInterval(draw, FRAME_MS) : undefined
  const endLine = () => {
    if (midLine) stdout.write('\n')
    midLine = false
  }

  return {
    /** Whether a spinner tells what happens now. */
    moves,
    speaks,
    /** A line of progress. */
    note(text: string) {
      if (quiet) return
      erase()
      endLine()
      stderr.write(`${text}\n`)
    },
    /** A piece of the answer as it comes. */
    speak(text: string) {
      if (!speaks || text === '') return
      erase()
      stdout.write(text)
      midLine = !text.endsWith('\n')
    },
    endLine,
    /** What the spinner says; none when it is empty. */
    status(text: string) {
      status = text
      if (text === '') erase()
    },
    /** On stdout, for whoever reads it. */
    print(text: string) {
      erase()
      endLine()
      stdout.write(`${text}\n`)
    },
    /** A question, which stands alone until it is answered. */
    ask(text: string) {
      erase()
      endLine()
      isAsking = true
      stderr.write(text)
    },
    answered() {
      isAsking = false
      stderr.write('\n')
    },
    [Symbol.dispose]() {
      clearInterval(timer)
      erase()
      endLine()
    },
  }
}
