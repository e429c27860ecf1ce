import { type EvalCase, lineOf, pointsTo, unless } from '../case.ts'

const BEFORE = `/** The newest entries that fit on a page. */
export const pageOf = (entries, size) => entries.slice(0, size)

/** Entries in groups of at most \`size\`, in order. */
export const groupsOf = (entries, size) => {
  const groups = []
  for (let from = 0; from < entries.length; from += size) groups.push(entries.slice(from, from + size))
  return groups
}
`
const AFTER = `/** The newest entries that fit on a page. */
export const pageOf = (entries, size = DEFAULT_SIZE) => entries.slice(0, size)

/** Entries in groups of at most \`size\`, in order. */
export const groupsOf = (entries, size = DEFAULT_SIZE) => {
  const groups = []
  for (let from = 0; from < entries.length; from += size) groups.push(entries.slice(from, from + size))
  return groups
}

/** The last page, which may be a short one. */
export const lastPageOf = (entries, size = DEFAULT_SIZE) => {
  const full = Math.floor(entries.length / size)
  return entries.slice(full * size)
}

const DEFAULT_SIZE = 20
`
const BUG = lineOf(AFTER, 'return entries.slice(full * size)')

export const reviewDiff: EvalCase = {
  name: 'review-diff',
  about: 'name the fault that a change brought, by path and line',
  agent_preset: 'code-expert',
  tool_preset: 'read-only',
  task: 'Review the uncommitted change to src/pages.mjs; the committed version is in review/pages.before.mjs. One thing in it gives wrong results for some inputs: say where (path:line of src/pages.mjs), for which inputs, and what they get.',
  files: { 'src/pages.mjs': BEFORE, 'review/pages.before.mjs': BEFORE },
  changes: { 'src/pages.mjs': AFTER },
  async check({ workspace, answer }) {
    const says = /multiple|divid|divisible|exact|remainder|full (last )?page|modulo|evenly/i.test(answer)
    return [
      ...unless(pointsTo(answer, 'src/pages.mjs', BUG), `the answer does not point to src/pages.mjs:${BUG}`),
      ...unless(
        says && /empty|\[\]|nothing|no entries/i.test(answer),
        'the answer does not say which inputs get what',
      ),
      ...unless((await workspace.changed()).length === 0, 'files were changed'),
    ]
  },
  solver: {
    turns: [
      [
        ['file_read', { path: 'src/pages.mjs' }],
        ['file_read', { path: 'review/pages.before.mjs' }],
      ],
      `src/pages.mjs:${BUG}: when the number of entries is an exact multiple of size, lastPageOf gives an empty page instead of the last full one. Use Math.ceil(length / size) - 1. The use of DEFAULT_SIZE before its line is sound: defaults are evaluated at the call.`,
    ],
  },
  failer: {
    caught: `does not point to src/pages.mjs:${BUG}`,
    turns: [
      [['file_read', { path: 'src/pages.mjs' }]],
      'src/pages.mjs:2 uses DEFAULT_SIZE before it is defined, so every call without a size throws.',
    ],
  },
}
