/** Text on its way to watchers, in pieces: what comes within one interval goes out together. */
export interface TextStream {
  push: (text: string) => void
  /** Forgets what was not sent; the next piece has offset 0 again. */
  restart: () => void
  /** Sends what is left. To be called when the text ends, so that no timer stays behind. */
  flush: () => void
}

/** `offset`: characters sent before this piece. */
export const createTextStream = (
  send: (offset: number, text: string) => void,
  intervalMs = 50,
): TextStream => {
  let sent = 0
  let pending = ''
  let timer: NodeJS.Timeout | undefined

  const take = () => {
    clearTimeout(timer)
    timer = undefined
    const text = pending
    pending = ''
    return text
  }
  const flush = () => {
    const text = take()
    if (text === '') return
    send(sent, text)
    sent += text.length
  }
  return {
    push: (text) => {
      pending += text
      timer ??= setTimeout(flush, intervalMs)
    },
    restart: () => {
      take()
      sent = 0
    },
    flush,
  }
}
