import { type EvalCase, unless, unlessFailed } from '../case.ts'

const CODE = `/** Price of an order's lines for a kind of customer, in cents. */
export const priceFor = (kind, lines) => {
  if (kind === 'private') {
    let sum = 0
    for (const { cents, count } of lines) {
      let line = cents * count
      if (count >= 10) line = Math.floor(line * 0.95)
      sum += line
    }
    if (sum >= 10000) sum = Math.floor(sum * 0.98)
    return Math.round(sum * 1.19)
  }
  if (kind === 'trade') {
    let sum = 0
    for (const { cents, count } of lines) {
      let line = cents * count
      if (count >= 5) line = Math.floor(line * 0.9)
      sum += line
    }
    if (sum >= 50000) sum = Math.floor(sum * 0.95)
    return Math.round(sum * 1.19)
  }
  if (kind === 'export') {
    let sum = 0
    for (const { cents, count } of lines) {
      let line = cents * count
      if (count >= 5) line = Math.floor(line * 0.9)
      sum += line
    }
    if (sum >= 50000) sum = Math.floor(sum * 0.97)
    return Math.round(sum * 1)
  }
  throw new Error('no such kind of customer: ' + kind)
}
`
const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { priceFor } from '../src/price.mjs'

test('a private customer pays tax', () => {
  assert.equal(priceFor('private', [{ cents: 1000, count: 2 }]), 2380)
})
test('an unknown kind is refused', () => {
  assert.throws(() => priceFor('guest', []), /no such kind of customer: guest/)
})
`
/** The old and the new code side by side, over 600 orders that are the same in every run. */
const PROPERTY = `
import assert from 'node:assert/strict'
import { priceFor } from './src/price.mjs'
const { priceFor: before } = await import('data:text/javascript,' + ${JSON.stringify(encodeURIComponent(CODE))})
let state = 7
const below = (n) => (state = (state * 48271) % 2147483647) % n
for (let i = 0; i < 600; i += 1) {
  const lines = Array.from({ length: below(5) }, () => ({ cents: below(20000), count: below(14) }))
  const kind = ['private', 'trade', 'export'][i % 3]
  assert.equal(priceFor(kind, lines), before(kind, lines), kind + JSON.stringify(lines))
}
assert.throws(() => priceFor('guest', []), /no such kind of customer: guest/)
`
const better = (linesSum: string) => `const TERMS = {
  private: { manyFrom: 10, many: 0.95, largeFrom: 10000, large: 0.98, tax: 1.19 },
  trade: { manyFrom: 5, many: 0.9, largeFrom: 50000, large: 0.95, tax: 1.19 },
  export: { manyFrom: 5, many: 0.9, largeFrom: 50000, large: 0.97, tax: 1 },
}

/** Price of an order's lines for a kind of customer, in cents. */
export const priceFor = (kind, lines) => {
  if (!Object.hasOwn(TERMS, kind)) throw new Error('no such kind of customer: ' + kind)
  const { manyFrom, many, largeFrom, large, tax } = TERMS[kind]
  let sum = 0
  for (const { cents, count } of lines) ${linesSum}
  if (sum >= largeFrom) sum = Math.floor(sum * large)
  return Math.round(sum * tax)
}
`

export const refactor: EvalCase = {
  name: 'refactor',
  about: 'remove a duplication without changing what the code does',
  agent_preset: 'code-expert',
  tool_preset: 'full',
  task: 'src/price.mjs says the same thing three times. Refactor it so that the way a price is made stands there once and the kinds of customers differ only in their numbers. Results must stay exactly as they are.',
  files: { 'src/price.mjs': CODE, 'test/price.test.mjs': TEST },
  async check({ workspace }) {
    const text = (await workspace.read('src/price.mjs')) ?? ''
    const loops = text.match(/\bfor\s*\(|\.reduce\(|\.forEach\(|\bwhile\s*\(/g) ?? []
    return [
      ...unless(loops.length <= 1, `the lines are still summed in ${loops.length} places`),
      ...unless((text.match(/Math\.round/g) ?? []).length <= 1, 'the tax is still added in several places'),
      ...unless((await workspace.read('test/price.test.mjs')) === TEST, 'the tests were changed'),
      ...unlessFailed(await workspace.node(PROPERTY), 'results changed'),
    ]
  },
  solver: {
    turns: [
      [
        ['file_read', { path: 'src/price.mjs' }],
        ['file_read', { path: 'test/price.test.mjs' }],
      ],
      [['bash', { command: 'node --test' }]],
      [
        [
          'file_write',
          {
            path: 'src/price.mjs',
            content: better('sum += count >= manyFrom ? Math.floor(cents * count * many) : cents * count'),
          },
        ],
      ],
      [['bash', { command: 'node --test' }]],
      'src/price.mjs: one way to a price, a table of terms. The tests pass before and after.',
    ],
  },
  failer: {
    caught: 'results changed',
    turns: [
      [
        [
          'file_write',
          { path: 'src/price.mjs', content: better('sum += cents * count * (count >= manyFrom ? many : 1)') },
        ],
      ],
      [['bash', { command: 'node --test' }]],
      'src/price.mjs is refactored; the tests pass.',
    ],
  },
}
