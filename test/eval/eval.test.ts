/** The evaluation holds what it promises: work well done passes, work that only looks so does not. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { CASES } from './cases.ts'
import { evaluate, totalsOf } from './evaluate.ts'
import type { CaseResult } from './run-case.ts'
import { startScriptedModel } from './scripted-model.ts'
import { startService } from './service.ts'
import { readSettings } from './settings.ts'
import { tableOf } from './table.ts'

const resources = new AsyncDisposableStack()
const scored: Record<string, CaseResult[]> = {}

beforeAll(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'alex-test-eval-'))
  resources.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const { baseUrl } = resources.use(await startScriptedModel(CASES))
  const service = resources.use(await startService({ folder, baseUrl, slots: 12 }))
  const options = { service, repeat: 1, concurrency: 4, maxIterations: 20, timeoutS: 60 }
  const [solver, failer] = await Promise.all(
    ['solver', 'failer'].map((model) => evaluate(CASES, { ...options, model })),
  )
  Object.assign(scored, { solver, failer })
}, 120_000)
afterAll(() => resources[Symbol.asyncDispose]())

test('a model that does the tasks well passes every case', () => {
  const failed = scored['solver']?.filter(({ success }) => !success) ?? []
  expect(failed.map(({ case: name, why_not }) => ({ name, why_not }))).toEqual([])
  expect(scored['solver']).toHaveLength(CASES.length)
})

test.for(CASES)(
  'work that only looks well done does not pass $name, for what is wrong with it',
  (evalCase) => {
    const result = scored['failer']?.find((each) => each.case === evalCase.name)
    expect(result?.why_not.join('\n')).toContain(evalCase.failer.caught)
    expect(result?.why_not.join('\n')).not.toMatch(/the task (failed|cancelled)|could not be made/)
  },
)

test('iterations, tool calls, tokens and time of subagents are in the figures; a cost without a price is unknown', () => {
  const result = scored['solver']?.find((each) => each.case === 'subagents')
  // Three turns and two calls of the task, two turns and a call of each subagent.
  expect(result).toMatchObject({ iterations: 9, tool_calls: 5, cost_usd: 'unknown' })
  expect(result?.tokens).toBeGreaterThan(1000)
  expect(result?.seconds).toBeGreaterThan(0)
})

test('totals add up, and the table tells why a run did not pass', () => {
  const run = { run: 1, iterations: 2, tool_calls: 3, tokens: 500, seconds: 1.5, session_id: 's', answer: '' }
  const passed = { ...run, case: 'a', success: true, why_not: [], cost_usd: 0.25 }
  const failed = { ...run, case: 'b', success: false, why_not: ['it is wrong'], cost_usd: 0.5 }
  const totals = totalsOf([passed, failed])
  expect(totals).toMatchObject({
    runs: 2,
    passed: 1,
    success_rate: 0.5,
    tokens: 1000,
    cost_usd: 0.75,
    seconds: 3,
  })
  expect(totalsOf([passed, { ...failed, cost_usd: 'unknown' }]).cost_usd).toBe('unknown')
  expect(tableOf([passed, failed], totals)).toMatch(/1 of 2 .* 1000 .* 0\.7500[^]*b 1: it is wrong/)
})

test('a command line that cannot be meant is refused in one sentence', () => {
  const refused = (args: string[], env = {}) => {
    try {
      return readSettings(args, env, CASES)
    } catch (error) {
      return (error as Error).message
    }
  }
  expect(refused([])).toMatch(/no model to ask/)
  expect(refused(['--solver', '--failer'])).toMatch(/exclude each other/)
  expect(refused(['--solver', '--only', 'nothing'])).toMatch(/nothing is none of fix-failing-test/)
  expect(refused(['--solver', '--repeat', '0'])).toMatch(/--repeat must be/)
  expect(refused(['--solver', '--min-success', '80'])).toMatch(/--min-success must be/)
  expect(refused(['--only', 'rename,commit'], { OPENAI_API_KEY: 'k', ALEX_MODEL: 'm' })).toMatchObject({
    asked: { model: 'm', apiKey: 'k' },
    cases: [{ name: 'rename' }, { name: 'commit' }],
  })
})
