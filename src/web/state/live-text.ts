/** A text that arrives in pieces, of which some may have been missed. */
export interface LiveText {
  text: string
  /** Characters the sender has sent so far, the missed ones included. */
  end: number
}

export const NO_TEXT: LiveText = { text: '', end: 0 }

/** Of a command's output only so much is kept: what is whole comes with the durable event. */
const KEPT_CHARS = 60_000
const GAP = '…'

/** `offset` is where the piece begins in the whole text; 0 begins anew. */
export const extended = (live: LiveText, offset: number, piece: string): LiveText => {
  if (offset === 0) return kept(piece, piece.length)
  if (offset === live.end) return kept(live.text + piece, live.end + piece.length)
  // What is known already: a second connection may repeat a piece.
  if (offset + piece.length <= live.end) return live
  if (offset < live.end) return extended(live, live.end, piece.slice(live.end - offset))
  const gap = live.text === '' ? `${GAP}\n` : `${live.text}\n${GAP}\n`
  return kept(gap + piece, offset + piece.length)
}

const kept = (text: string, end: number): LiveText => ({
  text: text.length > KEPT_CHARS ? `${GAP}${text.slice(-KEPT_CHARS)}` : text,
  end,
})
