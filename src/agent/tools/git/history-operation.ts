/** Searches the history. Every value of the model is one argument that no option can begin in. */
import type { SimpleGit } from 'simple-git'
import { type Commits, GitRefused, type HistoryQuery } from './git-protocol.ts'

const SUBJECT_CHARS = 200

export const history = async (git: SimpleGit, search: HistoryQuery): Promise<Commits> => {
  const file = search.type === 'file' && search.query !== '' ? search.query : search.file
  const wanted = criterion(search)
  const found = await git
    .log([
      `--max-count=${search.limit}`,
      '--no-ext-diff',
      '--no-textconv',
      '--no-show-signature',
      ...wanted,
      // Git sees a rename only in a commit that it does not pass over.
      ...(file === undefined ? [] : [...(wanted.length === 0 ? ['--follow'] : []), '--', file]),
    ])
    .catch((error: unknown) => {
      if (/does not have any commits yet|bad default revision/.test(String(error))) return { all: [] }
      throw error
    })
  return found.all.map(({ hash, date, author_name, message }) => ({
    hash: hash.slice(0, 12),
    date,
    author: author_name,
    subject: message.slice(0, SUBJECT_CHARS),
  }))
}

const criterion = ({ type, query }: HistoryQuery): string[] => {
  if (query === '') return []
  switch (type) {
    case 'message':
      return ['--fixed-strings', '--regexp-ignore-case', `--grep=${query}`]
    case 'author':
      return ['--fixed-strings', '--regexp-ignore-case', `--author=${query}`]
    case 'code':
      return [`-S${query}`]
    case 'date':
      return dates(query)
    case 'file':
      return []
  }
}

const DATE = /^\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?(Z|[+-]\d\d:?\d\d)?)?$/
const WORDS = /^(now|today|yesterday|\d{1,4} (hour|day|week|month|year)s? ago)$/i

/** Git takes what it doesn't understand for now. */
const dates = (query: string): string[] => {
  const [since = '', until = ''] = query.includes('..') ? query.split('..') : [query]
  for (const date of [since, until]) {
    if (date.trim() !== '' && !DATE.test(date.trim()) && !WORDS.test(date.trim()))
      throw new GitRefused(
        `${JSON.stringify(date)} is no date. Use 2026-01-31, "3 days ago" or a range 2026-01-01..2026-01-31`,
      )
  }
  return [
    ...(since.trim() === '' ? [] : [`--since=${midnight(since.trim(), '00:00:00')}`]),
    ...(until.trim() === '' ? [] : [`--until=${midnight(until.trim(), '23:59:59')}`]),
  ]
}

/** A day alone means to git that day at the present time of day. */
const midnight = (date: string, time: string): string =>
  /^\d{4}-\d\d-\d\d$/.test(date) ? `${date} ${time}` : date
