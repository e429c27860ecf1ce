/** The environment of every tool process: an allow-list, so that no key, token or Redis URL gets through. */

const ALLOWED = new Set([
  'PATH',
  'HOME',
  'USER',
  'LOGNAME',
  'SHELL',
  'LANG',
  'LANGUAGE',
  'TERM',
  'TZ',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
])

/** `source` is the worker's own environment. */
export const toolEnvironment = (
  source: Readonly<Record<string, string | undefined>>,
): Record<string, string> => {
  const allowed = Object.entries(source).filter(
    (entry): entry is [string, string] =>
      entry[1] !== undefined && (ALLOWED.has(entry[0]) || /^LC_[A-Z]+$/.test(entry[0])),
  )
  return { PATH: '/usr/local/bin:/usr/bin:/bin', TERM: 'dumb', ...Object.fromEntries(allowed) }
}
