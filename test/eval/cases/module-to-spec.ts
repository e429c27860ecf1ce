import { type EvalCase, unless, unlessFailed } from '../case.ts'

const SPEC = `# Durations

\`src/duration.mjs\` exports \`parseDuration(text)\`, which gives milliseconds.

- A duration is one or more parts of a number and a unit: \`d\`, \`h\`, \`m\`, \`s\`, \`ms\`. Example: \`1h30m\`.
- White space may stand between parts and around the whole, not within a part.
- A number may have decimals: \`1.5h\`.
- Units come from large to small, each at most once: \`5m2h\` and \`1h1h\` are wrong.
- What is wrong, an empty text included, throws a \`RangeError\` whose message holds the text.
- The module imports nothing.
`
const HIDDEN = `
import assert from 'node:assert/strict'
import { parseDuration } from './src/duration.mjs'
const right = { '1h30m': 5400000, '1.5h': 5400000, ' 2d 4h ': 187200000, '250ms': 250, '1s 5ms': 1005, '0s': 0 }
for (const [text, ms] of Object.entries(right)) assert.equal(parseDuration(text), ms, text)
for (const text of ['', ' ', '5m2h', '1h1h', '1 h', '5', 'h', '-1h', '1x', '1h-', '1..5h'])
  assert.throws(() => parseDuration(text), (error) => error instanceof RangeError && error.message.includes(text), JSON.stringify(text))
`
const GOOD = `const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }
const ORDER = Object.keys(UNITS)
const PART = /\\s*(\\d+(?:\\.\\d+)?)(ms|[dhms])\\s*/y

/** Milliseconds of a duration such as 1h30m; throws a RangeError for what is none. */
export const parseDuration = (text) => {
  let total = 0
  let last = -1
  PART.lastIndex = 0
  while (PART.lastIndex < text.length || last < 0) {
    const [, number, unit] = PART.exec(text) ?? []
    const place = ORDER.indexOf(unit)
    if (place <= last) throw new RangeError('not a duration: ' + text)
    total += Number(number) * UNITS[unit]
    last = place
  }
  return Math.round(total)
}
`
const HASTY = `const UNITS = { d: 86400000, h: 3600000, m: 60000, s: 1000, ms: 1 }
export const parseDuration = (text) => {
  let total = 0
  for (const [, number, unit] of text.matchAll(/([\\d.]+)(ms|[dhms])/g)) total += Number(number) * UNITS[unit]
  return total
}
`

export const moduleToSpec: EvalCase = {
  name: 'module-to-spec',
  about: 'write a module to a specification, the unusual inputs included',
  agent_preset: 'default',
  tool_preset: 'code-only',
  task: 'Write the module that SPEC.md describes, and see that it does what is asked there.',
  files: { 'SPEC.md': SPEC },
  async check({ workspace }) {
    const text = (await workspace.read('src/duration.mjs')) ?? ''
    return [
      ...unless(text !== '', 'there is no src/duration.mjs'),
      ...unless(!/^\s*import\b|\bimport\(|\brequire\(/m.test(text), 'the module imports something'),
      ...unlessFailed(await workspace.node(HIDDEN), 'the module does not do what SPEC.md says'),
    ]
  },
  solver: {
    turns: [
      [['file_read', { path: 'SPEC.md' }]],
      [['file_write', { path: 'src/duration.mjs', content: GOOD }]],
      [
        [
          'code_execute',
          {
            language: 'bash',
            code: `node --input-type=module -e "import { parseDuration } from './src/duration.mjs'; console.log(parseDuration('1h30m'))"`,
          },
        ],
      ],
      'src/duration.mjs exports parseDuration as SPEC.md asks; 1h30m gives 5400000.',
    ],
  },
  failer: {
    caught: 'does not do what SPEC.md says',
    turns: [
      [['file_write', { path: 'src/duration.mjs', content: HASTY }]],
      'src/duration.mjs exports parseDuration as SPEC.md asks.',
    ],
  },
}
