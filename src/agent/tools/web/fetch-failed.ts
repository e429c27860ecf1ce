/** Why a page could not be had, in the words of a result. `kind` is short and stable. */
export class FetchFailed extends Error {
  override name = 'FetchFailed'
  readonly kind: FetchFailure
  constructor(kind: FetchFailure, message: string) {
    super(message)
    this.kind = kind
  }
}

export type FetchFailure =
  | 'refused address'
  | 'unknown name'
  | 'unreachable'
  | 'timeout'
  | 'too many redirects'
  | 'bad answer'
  | 'too large'
  | 'not text'
  | 'not readable'
  | `HTTP ${number}`
