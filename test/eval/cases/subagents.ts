import { type EvalCase, type Files, type Turn, unless } from '../case.ts'

const DEPOTS = {
  north: [340, 125, 88, 512],
  south: [77, 903, 41],
  west: [260, 260, 19, 4, 733],
} as const
const sumOf = (pieces: readonly number[]) => pieces.reduce((sum, each) => sum + each, 0)
const TOTAL = Object.values(DEPOTS).reduce((sum, pieces) => sum + sumOf(pieces), 0)

const files = (): Files =>
  Object.fromEntries(
    Object.entries(DEPOTS).flatMap(([depot, pieces]) =>
      pieces.map((count, nth) => [
        `depots/${depot}/shelf-${nth + 1}.txt`,
        `shelf ${nth + 1}\npieces: ${count}\n`,
      ]),
    ),
  )

const subtask = (depot: string) =>
  `Each file in depots/${depot}/ has a line "pieces: N". Read all of them and report the sum of N.`
const subtasks: Record<string, readonly Turn[]> = Object.fromEntries(
  Object.entries(DEPOTS).map(([depot, pieces]) => [
    subtask(depot),
    [
      [['grep', { pattern: '^pieces', path: `depots/${depot}` }]],
      `depots/${depot}: ${sumOf(pieces)} pieces.`,
    ],
  ]),
)

export const subagents: EvalCase = {
  name: 'subagents',
  about: 'hand parts to subagents and put their answers together',
  agent_preset: 'researcher',
  tool_preset: 'read-only',
  task: 'How many pieces are there in all depots together (folders of depots/)? Give each depot to a subagent of its own, and name the sum of each and the total.',
  files: files(),
  async check({ workspace, answer, children }) {
    const done = children.filter(({ status }) => status === 'completed').length
    const digits = answer.replaceAll(/(?<=\d)[,.\s](?=\d{3})/g, '')
    const sums = [...Object.values(DEPOTS).map(sumOf), TOTAL]
    const missing = sums.filter((sum) => !new RegExp(`\\b${sum}\\b`).test(digits))
    return [
      ...unless(done >= 3, `${done} subagents completed, not three`),
      ...unless(missing.length === 0, `the answer does not say ${missing.join(', ')}`),
      ...unless((await workspace.changed()).length === 0, 'files were changed'),
    ]
  },
  solver: {
    subtasks,
    turns: [
      [['list_files', { path: 'depots', depth: 1 }]],
      [['subagent', { subtasks: Object.keys(DEPOTS).map(subtask), mode: 'parallel' }]],
      `${TOTAL} pieces: north ${sumOf(DEPOTS.north)}, south ${sumOf(DEPOTS.south)}, west ${sumOf(DEPOTS.west)}.`,
    ],
  },
  failer: {
    caught: 'subagents completed, not three',
    turns: [
      [['file_read', { path: 'depots/north/shelf-1.txt' }]],
      'There are about 3000 pieces, some 1000 in each depot.',
    ],
  },
}
