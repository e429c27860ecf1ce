/** The results as a table for a terminal. */
import type { Totals } from './evaluate.ts'
import type { CaseResult, Cost } from './run-case.ts'

const HEAD = ['case', 'run', 'passed', 'iterations', 'tools', 'tokens', 'cost USD', 'seconds']

export const tableOf = (results: readonly CaseResult[], totals: Totals): string => {
  const rows = results.map((result) => [
    result.case,
    String(result.run),
    result.success ? 'yes' : 'NO',
    ...figures(result),
  ])
  const share = `${totals.passed} of ${totals.runs}`
  const table = [HEAD, ...rows, ['total', '', share, ...figures(totals)]]
  const widths = HEAD.map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)))
  const lines = table.map((row) =>
    row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
  )
  const rule = '-'.repeat(lines[0]?.length ?? 0)
  const failures = results.flatMap(({ case: name, run, why_not }) =>
    why_not.map((why) => `${name} ${run}: ${why}`),
  )
  const why = failures.length > 0 ? ['', 'Not passed, because', ...failures.map((line) => `  ${line}`)] : []
  return [lines[0], rule, ...lines.slice(1, -1), rule, lines.at(-1), ...why].join('\n')
}

const figures = ({ iterations, tool_calls, tokens, cost_usd, seconds }: Totals | CaseResult): string[] => [
  String(iterations),
  String(tool_calls),
  String(tokens),
  inUsd(cost_usd),
  seconds.toFixed(1),
]

const inUsd = (cost: Cost): string => (cost === 'unknown' ? cost : cost.toFixed(4))
