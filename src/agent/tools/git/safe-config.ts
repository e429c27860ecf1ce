/**
 * The configuration git runs with: only keys that cannot name a program, a file to include or another place.
 *
 * An allow-list, so that a key nobody here has heard of does nothing. `fsmonitor`, `sshCommand`, `pager`,
 * `editor`, `hooksPath`, `diff.*`, `filter.*`, `gpg.*`, `credential.*`, `alias.*`, `include.*`, `url.*`,
 * `protocol.*`, `remote.*.uploadpack`, `submodule.*` and their like all run code or redirect.
 */
const ALLOWED = [
  /^core\.(filemode|symlinks|ignorecase|precomposeunicode|autocrlf|eol|safecrlf|quotepath|checkstat|trustctime)$/,
  /^core\.(excludesfile|attributesfile|sharedrepository|sparsecheckout|sparsecheckoutcone)$/,
  /^core\.repositoryformatversion$|^extensions\.(objectformat|refstorage)$/,
  /^(user|author|committer)\.(name|email)$/,
  /^i18n\.commitencoding$/,
  /^branch\..+\.(remote|merge)$/s,
  /^remote\..+\.(url|pushurl|fetch)$/s,
]

/** Written last, so that they count. */
const HARDENED: readonly [string, string][] = [
  ['core.bare', 'false'],
  ['core.fsmonitor', 'false'],
  ['core.hooksPath', '/dev/null'],
  ['core.pager', 'cat'],
  ['core.editor', 'false'],
  ['core.askPass', ''],
  ['user.useConfigOnly', 'true'],
  ['commit.gpgSign', 'false'],
  ['push.gpgSign', 'false'],
  ['push.recurseSubmodules', 'no'],
  ['fetch.recurseSubmodules', 'no'],
  ['diff.ignoreSubmodules', 'all'],
  ['submodule.recurse', 'false'],
  ['gc.auto', '0'],
  ['maintenance.auto', 'false'],
]

export type ConfigEntry = [key: string, value: string]

/** Of `git config --list -z`. A key without a value means true. */
export const readEntries = (listed: string): ConfigEntry[] =>
  listed
    .split('\0')
    .filter((entry) => entry !== '')
    .map((entry) => {
      const end = entry.indexOf('\n')
      return end < 0 ? [entry, 'true'] : [entry.slice(0, end), entry.slice(end + 1)]
    })

const isSafeKey = (key: string): boolean => ALLOWED.some((pattern) => pattern.test(key))

/** The text of a configuration file. */
export const safeConfig = (entries: readonly ConfigEntry[]): string =>
  [...entries.filter(([key]) => isSafeKey(key)), ...HARDENED].map(written).join('')

const written = ([key, value]: ConfigEntry): string => {
  const [section, rest] = splitOnce(key, key.indexOf('.'))
  const dot = rest.lastIndexOf('.')
  const [subsection, name] = dot < 0 ? [undefined, rest] : splitOnce(rest, dot)
  const header = subsection === undefined ? `[${section}]` : `[${section} "${escaped(subsection)}"]`
  return `${header}\n\t${name} = "${escaped(value).replaceAll('\n', '\\n')}"\n`
}

const splitOnce = (text: string, at: number): [string, string] => [text.slice(0, at), text.slice(at + 1)]

const escaped = (text: string): string => text.replaceAll(/[\\"]/g, String.raw`\$&`)
