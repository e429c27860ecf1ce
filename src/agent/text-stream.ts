/** Text on its way to watchers, in pieces: what comes within one interval goes out together. */
export interface TextStream {
  push: (text: string) => void
  /** Forgets what was not sent; the next piece has offset 0 again. */
  restart: () => void
  /** Sends what is left. To be called when the text ends, so that no timer stays behind. */
  flush: () => void
}

/** Longest unfinished word that is kept back. */
const MAX_HELD = 256

/**
 * `offset`: characters sent before this piece. A word that may go on is kept for the next piece: a key cut in
 * two would pass the masking of each.
 */
export const createTextStream = (
  send: (offset: number, text: string) => void,
  intervalMs = 50,
): TextStream => {
  let sent = 0
  let pending = ''
  let timer: NodeJS.Timeout | undefined

  const stopTimer = () => {
    clearTimeout(timer)
    timer = undefined
  }
  const sendFirst = (length: number) => {
    stopTimer()
    const text = pending.slice(0, length)
    pending = pending.slice(length)
    if (text === '') return
    send(sent, text)
    sent += text.length
  }
  const sendWords = () => {
    const held = /[\x21-\x7e]*$/.exec(pending.slice(-MAX_HELD))?.[0].length ?? 0
    sendFirst(pending.length - held)
  }
  return {
    push: (text) => {
      pending += text
      timer ??= setTimeout(sendWords, intervalMs)
    },
    restart: () => {
      stopTimer()
      pending = ''
      sent = 0
    },
    flush: () => sendFirst(pending.length),
  }
}
