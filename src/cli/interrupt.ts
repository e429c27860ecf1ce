/** What Ctrl-C means while a task is followed: the task is another's work as well, so it is asked. */
import type { Screen } from './screen.ts'

const CTRL_C = '\u0003'

/**
 * On a terminal the first Ctrl-C asks whether to cancel or to detach, and the second detaches at once. Without
 * one, and at SIGTERM, the first cancels and the second leaves.
 */
export const onInterrupt = (screen: Screen, actions: { cancel: () => void; detach: () => void }) => {
  let state: 'following' | 'asking' | 'cancelling' = 'following'
  let answered = Promise.withResolvers<void>()
  answered.resolve()
  const canAsk = process.stdin.isTTY && process.stderr.isTTY

  const cancel = () => {
    state = 'cancelling'
    screen.status('cancelling')
    screen.note('cancelling … (Ctrl-C again leaves at once)')
    actions.cancel()
  }
  const decide = (key: string) => {
    if (state !== 'asking') return
    stopListening()
    screen.answered()
    state = 'following'
    if (key === 'c') cancel()
    else if (key === 'd' || key === CTRL_C) actions.detach()
    answered.resolve()
  }
  const onKey = (bytes: Buffer) => decide(bytes.toString().slice(0, 1).toLowerCase())
  const stopListening = () => {
    process.stdin.off('data', onKey)
    process.stdin.setRawMode(false)
    process.stdin.pause()
  }
  const ask = () => {
    state = 'asking'
    answered = Promise.withResolvers<void>()
    screen.ask('Ctrl-C: [c]ancel the task, [d]etach and let it go on, any other key goes on following: ')
    process.stdin.setRawMode(true)
    process.stdin.on('data', onKey).resume()
  }
  const onSignal = (signal: NodeJS.Signals) => {
    if (state === 'cancelling') actions.detach()
    else if (state === 'asking') decide(CTRL_C)
    else if (canAsk && signal === 'SIGINT') ask()
    else cancel()
  }
  const signals = ['SIGINT', 'SIGTERM'] as const
  for (const signal of signals) process.on(signal, onSignal)
  return {
    /** Nothing is shown while the question stands. */
    answered: () => answered.promise,
    [Symbol.dispose]() {
      for (const signal of signals) process.off(signal, onSignal)
      if (state === 'asking') stopListening()
    },
  }
}
