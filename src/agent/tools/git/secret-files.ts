/** Which changes look like secrets that were about to be committed. */
import { looksLikeKey } from '../../../redact.ts'
import { isExampleName, isSecretName } from '../closed-places.ts'

const SECRET_FILES =
  /^(id_(rsa|dsa|ecdsa|ed25519)(_sk)?|.*\.(p12|pfx|ppk|jks|keystore|kdbx)|\.netrc|\.pgpass|\.git-credentials|\.htpasswd|\.vault-token)$/i

/** Why a file of this name should not be committed, or undefined. */
export const secretName = (path: string): string | undefined => {
  const segments = path.split('/')
  const name = segments.at(-1) ?? ''
  // What stands in an example is looked at like everything else.
  if (segments.some((segment) => isSecretName(segment) && !isExampleName(segment)))
    return 'its name is that of a file of secrets'
  return SECRET_FILES.test(name) ? 'its name is that of a key or credentials' : undefined
}

/** `added`: the lines that a change adds. */
export const secretContent = (added: string): string | undefined =>
  looksLikeKey(added) ? 'it holds what looks like a key or token' : undefined

/** Added lines of each file of a diff without prefixes, in the diff's order. */
export const addedLines = (diff: string): string[] =>
  diff
    .split(/^diff --git .*$/m)
    .slice(1)
    .map((file) =>
      file
        .slice(Math.max(0, file.search(/^@@ /m)))
        .split('\n')
        .filter((line) => line.startsWith('+'))
        .map((line) => line.slice(1))
        .join('\n'),
    )
