/** Longer texts get no position: finding one costs some twenty parses. */
const MAX_SEARCHED = 64 * 1024

/**
 * Where broken JSON stops making sense, in characters from 0. V8 names the place in some of its messages and
 * not in others, hence the search for the shortest prefix that nothing could complete.
 */
export const jsonErrorPosition = (text: string): number | undefined => {
  if (text.length > MAX_SEARCHED) return undefined
  let completable = 0
  let broken = text.length + 1
  while (broken - completable > 1) {
    const length = (completable + broken) >> 1
    if (isCompletable(text.slice(0, length))) completable = length
    else broken = length
  }
  return completable
}

const isCompletable = (prefix: string): boolean => {
  try {
    JSON.parse(prefix)
    return true
  } catch (error) {
    const message = String(error)
    if (message.includes('Unexpected end of JSON input')) return true
    const position = /at position (\d+)/.exec(message)?.[1]
    return position !== undefined && Number(position) >= prefix.length
  }
}
