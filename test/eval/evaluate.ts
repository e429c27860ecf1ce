/** Runs cases, some at a time, and adds up what they took. */
import type { EvalCase } from './case.ts'
import { type CaseResult, type Cost, type RunOptions, runCase } from './run-case.ts'

export interface Totals {
  runs: number
  passed: number
  success_rate: number
  iterations: number
  tool_calls: number
  tokens: number
  cost_usd: Cost
  /** Of all runs added up, however many went on at once. */
  seconds: number
}

export interface EvaluateOptions extends Omit<RunOptions, 'run'> {
  repeat: number
  concurrency: number
  onResult?: (result: CaseResult) => void
}

/** Results in the order of the cases, a case's runs beside each other. */
export const evaluate = async (
  cases: readonly EvalCase[],
  options: EvaluateOptions,
): Promise<CaseResult[]> => {
  const { repeat, concurrency, onResult, ...rest } = options
  const jobs = cases.flatMap((evalCase) =>
    Array.from({ length: repeat }, (_, i) => ({ evalCase, run: i + 1 })),
  )
  const results: CaseResult[] = []
  const left = jobs.entries()
  const work = async () => {
    for (const [at, { evalCase, run }] of left) {
      const result = await runCase(evalCase, { ...rest, run })
      results[at] = result
      onResult?.(result)
    }
  }
  await Promise.all(Array.from({ length: Math.min(concurrency, jobs.length) }, work))
  return results
}

export const totalsOf = (results: readonly CaseResult[]): Totals => {
  const add = (of: (result: CaseResult) => number) => results.reduce((total, result) => total + of(result), 0)
  const passed = results.filter(({ success }) => success).length
  const costs = results.map(({ cost_usd }) => cost_usd)
  return {
    runs: results.length,
    passed,
    success_rate: passed / results.length,
    iterations: add(({ iterations }) => iterations),
    tool_calls: add(({ tool_calls }) => tool_calls),
    tokens: add(({ tokens }) => tokens),
    // A sum that lacks a part would pass for the whole.
    cost_usd: costs.includes('unknown') ? 'unknown' : add(({ cost_usd }) => Number(cost_usd)),
    seconds: Math.round(add(({ seconds }) => seconds) * 10) / 10,
  }
}
