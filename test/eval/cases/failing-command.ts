import { type EvalCase, unless } from '../case.ts'

const REPORT = `#!/bin/sh
# Writes build/report.txt from the index.
if [ ! -f build/index.tsv ]; then
  echo "error: build/index.tsv is missing; make it with tools/index.sh ORDERS_FOLDER" >&2
  exit 3
fi
awk -F'\\t' '{ n += 1; cents += $2 } END { printf "orders %d\\ncents %d\\n", n, cents }' build/index.tsv > build/report.txt
echo written
`
const INDEX = `#!/bin/sh
# Reads the orders of a folder into build/index.tsv.
set -eu
mkdir -p build
: > build/index.tsv
for file in "$1"/*.order; do printf '%s\\t%s\\n' "$(basename "$file" .order)" "$(cat "$file")" >> build/index.tsv; done
`
const CENTS = [1290, 455, 9900, 120, 3075, 777, 60]
const TOTAL = CENTS.reduce((sum, each) => sum + each, 0)

export const failingCommand: EvalCase = {
  name: 'failing-command',
  about: 'get on after a command that fails',
  agent_preset: 'devops',
  tool_preset: 'full',
  task: 'Run `sh tools/report.sh` and tell me the total in cents that build/report.txt gives for the orders in data/orders. The tools stay as they are.',
  files: {
    'tools/report.sh': REPORT,
    'tools/index.sh': INDEX,
    ...Object.fromEntries(CENTS.map((cents, nth) => [`data/orders/${nth + 1}.order`, `${cents}\n`])),
  },
  async check({ workspace, answer }) {
    const report = await workspace.read('build/report.txt')
    const touched = (await workspace.changed()).filter((path) => !path.startsWith('build/'))
    return [
      ...unless(
        report === `orders ${CENTS.length}\ncents ${TOTAL}\n`,
        'build/report.txt is not the report of the orders',
      ),
      ...unless(touched.length === 0, `changed besides: ${touched.join(', ')}`),
      ...unless(answer.replaceAll(/[,.\s]/g, '').includes(String(TOTAL)), `the answer does not say ${TOTAL}`),
    ]
  },
  solver: {
    turns: [
      [['bash', { command: 'sh tools/report.sh' }]],
      [['file_read', { path: 'tools/index.sh' }]],
      [['bash', { command: 'sh tools/index.sh data/orders && sh tools/report.sh && cat build/report.txt' }]],
      `The total is ${TOTAL} cents, of ${CENTS.length} orders. The index was missing at first; tools/index.sh made it.`,
    ],
  },
  failer: {
    caught: 'is not the report of the orders',
    turns: [
      [['bash', { command: 'sh tools/report.sh' }]],
      [['bash', { command: 'sh tools/report.sh' }]],
      [['bash', { command: 'mkdir -p build && printf "orders 7\\ncents 14000\\n" > build/report.txt' }]],
      'build/report.txt gives 14000 cents.',
    ],
  },
}
