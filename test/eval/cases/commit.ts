import { type EvalCase, unless } from '../case.ts'

const RULES = `# Contributing

Subjects of commits are \`<area>: <what it does>\`: the area is the folder below src/ that changed, the rest begins
in lower case, in the imperative, without a full stop at the end; 60 characters at most.
The last line of the message is \`Refs: <ticket>\`; the branch has the ticket in its name.
`
const AFTER =
  'export const total = (lines) => lines.reduce((sum, { cents, count }) => sum + cents * count, 0)\n'
const MESSAGE =
  'cart: count every piece of a line in the total\n\nLines of several pieces were charged as one.\n\nRefs: SHOP-318'

export const commit: EvalCase = {
  name: 'commit',
  about: "commit a change with a message after the repository's convention",
  agent_preset: 'default',
  tool_preset: 'code-only',
  task: 'Commit the change that is in the working tree, as CONTRIBUTING.md wants it. The branch is SHOP-318-totals.',
  branch: 'SHOP-318-totals',
  files: {
    'CONTRIBUTING.md': RULES,
    'src/cart/total.mjs':
      'export const total = (lines) => lines.reduce((sum, { cents }) => sum + cents, 0)\n',
  },
  changes: { 'src/cart/total.mjs': AFTER },
  async check({ workspace }) {
    const { git, head } = workspace
    const count = await git('rev-list', '--count', `${head}..HEAD`)
    const message = await git('log', '-1', '--format=%B')
    const [subject = ''] = message.split('\n')
    return [
      ...unless(count === '1', `there are ${count} new commits, not one`),
      ...unless(
        (await git('rev-parse', 'HEAD~').catch(() => '')) === head,
        'it does not follow the last commit',
      ),
      ...unless((await git('status', '--porcelain')) === '', 'not everything was committed'),
      ...unless((await workspace.read('src/cart/total.mjs')) === AFTER, 'the change is another now'),
      ...unless(
        /^cart: [a-z].*[^.\s]$/.test(subject) && subject.length <= 60,
        `the subject is not after the convention: ${subject}`,
      ),
      ...unless(
        /^Refs: SHOP-318$/.test(message.split('\n').at(-1) ?? ''),
        'the last line is not Refs: SHOP-318',
      ),
    ]
  },
  solver: {
    turns: [
      [
        ['file_read', { path: 'CONTRIBUTING.md' }],
        ['file_read', { path: 'src/cart/total.mjs' }],
        ['git_commit', { message: MESSAGE }],
      ],
      [['git_commit', { message: MESSAGE, auto: true }]],
      [['git_history', { limit: 2 }]],
      'Committed on SHOP-318-totals: cart: count every piece of a line in the total.',
    ],
  },
  failer: {
    caught: 'the subject is not after the convention',
    turns: [[['git_commit', { message: 'Update total.mjs.', auto: true }]], 'The change is committed.'],
  },
}
