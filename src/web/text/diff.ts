/** Unified diffs as lines with their numbers. */

export interface DiffLine {
  kind: 'added' | 'removed' | 'same' | 'hunk' | 'file'
  text: string
  before?: number
  after?: number
}

const HUNK = /^@@ -(\d+)(?:,\d+)? \+(\d+)(?:,\d+)? @@/

/** Whether a tool's result is (or holds) a unified diff. */
export const isDiff = (text: string): boolean => /^@@ -\d+(?:,\d+)? \+\d+(?:,\d+)? @@/m.test(text)

export const diffLines = (text: string): DiffLine[] => {
  let before = 0
  let after = 0
  let inHunk = false
  return text
    .replace(/\n$/, '')
    .split('\n')
    .map((line): DiffLine => {
      const hunk = HUNK.exec(line)
      if (hunk) {
        before = Number(hunk[1])
        after = Number(hunk[2])
        inHunk = true
        return { kind: 'hunk', text: line }
      }
      if (/^(diff |index |new file|deleted file|similarity |rename )/.test(line)) inHunk = false
      if (!inHunk) return { kind: 'file', text: line }
      if (line.startsWith('+')) return { kind: 'added', text: line.slice(1), after: after++ }
      if (line.startsWith('-')) return { kind: 'removed', text: line.slice(1), before: before++ }
      if (line.startsWith('\\')) return { kind: 'file', text: line }
      return { kind: 'same', text: line.slice(1), before: before++, after: after++ }
    })
}

/** "+3 −1". */
export const diffCounts = (lines: readonly DiffLine[]): { added: number; removed: number } => ({
  added: lines.filter(({ kind }) => kind === 'added').length,
  removed: lines.filter(({ kind }) => kind === 'removed').length,
})
