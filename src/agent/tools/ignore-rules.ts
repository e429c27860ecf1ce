/** The rules of `.gitignore` files, each for the directory it lies in and what is below. */
import { sep } from 'node:path'
import ignore, { type Ignore } from 'ignore'

export interface IgnoreRules {
  /** `path` is relative to the workspace. The deepest file with an opinion decides. */
  ignores(path: string, isDirectory: boolean): boolean
  /** These rules and those of a `.gitignore` in `directory` (relative to the workspace, '' for its root). */
  with(directory: string, content: string): IgnoreRules
}

interface RuleFile {
  directory: string
  rules: Ignore
}

export const createIgnoreRules = (files: readonly RuleFile[] = []): IgnoreRules => ({
  ignores: (path, isDirectory) => {
    for (const { directory, rules } of files.toReversed()) {
      const below = directory === '' ? path : path.slice(directory.length + 1)
      const verdict = rules.test(`${below.split(sep).join('/')}${isDirectory ? '/' : ''}`)
      if (verdict.ignored) return true
      if (verdict.unignored) return false
    }
    return false
  },
  with: (directory, content) => createIgnoreRules([...files, { directory, rules: ignore().add(content) }]),
})
