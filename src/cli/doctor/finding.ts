/** Something that is missing or set wrongly. */
export interface Finding {
  /** What it is about, in a word. */
  part: string
  /** `problem`: tasks may be lost or cannot run · `hint`: they run, something optional does not. */
  level: 'problem' | 'hint'
  message: string
  /** What to do about it. */
  remedy: string
}
