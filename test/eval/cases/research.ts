import { type EvalCase, lineOf, pointsTo, unless } from '../case.ts'

const LIMITS = `// Read by the gateway at start.
export const maxBatchRows = 250
export const maxBatchBytes = 1_000_000
`

export const research: EvalCase = {
  name: 'research',
  about: 'answer from sources that contradict each other, and say so',
  agent_preset: 'researcher',
  tool_preset: 'read-only',
  task: 'How many rows may a batch to the import gateway have today? The documents in this repository do not agree: say which is right and why, with the places of your sources (path:line).',
  files: {
    'docs/getting-started.md':
      '# Getting started (2022)\n\nSend rows in batches. The gateway takes up to 500 rows a batch.\n',
    'docs/faq.md': '# FAQ\n\nHow large may a batch be? See getting-started: 500 rows.\n',
    'docs/changes.md':
      '# Changes\n\n- 2024-03: the limit of a batch went from 500 to 250 rows, because of time-outs.\n- 2022-01: first version.\n',
    'src/limits.mjs': LIMITS,
    'src/gateway.mjs':
      "import { maxBatchRows } from './limits.mjs'\n\nexport const accept = (rows) => {\n  if (rows.length > maxBatchRows) throw new RangeError(`at most ${maxBatchRows} rows`)\n  return rows.length\n}\n",
  },
  async check({ workspace, answer }) {
    const [first] = answer.match(/\b(250|500)\b/) ?? []
    return [
      ...unless(first === '250', 'the answer does not begin with 250 rows'),
      ...unless(
        pointsTo(answer, 'src/limits.mjs', lineOf(LIMITS, 'maxBatchRows')) ||
          pointsTo(answer, 'src/gateway.mjs', 4),
        'the answer does not point to the code that decides',
      ),
      ...unless(
        /\b500\b/.test(answer) && /docs\/(getting-started|faq)\.md/.test(answer),
        'the answer does not name the sources that say otherwise',
      ),
      ...unless((await workspace.changed()).length === 0, 'files were changed'),
    ]
  },
  solver: {
    turns: [
      [['grep', { pattern: 'batch', ignore_case: true }]],
      [
        ['file_read', { path: 'src/limits.mjs' }],
        ['file_read', { path: 'docs/changes.md' }],
      ],
      '250 rows. The code decides: src/limits.mjs:2, enforced in src/gateway.mjs:4; docs/changes.md:3 says that the limit was lowered in March 2024. docs/getting-started.md:3 and docs/faq.md:3 still say 500: they are older, and the second only repeats the first.',
    ],
  },
  failer: {
    caught: 'does not begin with 250',
    turns: [
      [
        ['file_read', { path: 'docs/getting-started.md' }],
        ['file_read', { path: 'docs/faq.md' }],
      ],
      'A batch may have up to 500 rows (docs/getting-started.md:3); docs/faq.md:3 confirms it.',
    ],
  },
}
