/** What an evaluation is asked for on the command line. */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { EvalCase } from './case.ts'
import type { ScriptName } from './scripted-model.ts'

export interface Settings {
  cases: readonly EvalCase[]
  /** Whom to ask: a script of ours, or an endpoint. */
  asked: { script: ScriptName } | { baseUrl?: string; apiKey?: string; model: string }
  repeat: number
  concurrency: number
  maxIterations: number
  timeoutS: number
  /** Absolute paths. */
  json?: string
  config?: string
  keep?: string
  /** Of the runs, 0 to 1. */
  minSuccess: number
}

export const usageOf = (cases: readonly EvalCase[]): string => `usage: npm run eval -- [options]

Gives a model ${cases.length} small tasks, each in a repository of its own, through the real service, and checks what came of each.

  --base-url URL         an OpenAI-compatible endpoint; else OPENAI_BASE_URL, else OpenAI's
  --model NAME           else ALEX_MODEL, else gpt-4o-mini. The key is taken from OPENAI_API_KEY
  --solver | --failer    no endpoint: a script that does every task well, or one that does none well
  --only CASE[,CASE]     these cases; may be repeated
  --repeat N             each case so many times (1)
  --concurrency N        cases at once (2)
  --max-iterations N     of each task (20)
  --timeout-s N          of each task, in seconds (600)
  --config FILE          configuration file of the service: prices, temperature, context_window …
  --json FILE            writes settings, results with answers, and totals
  --min-success SHARE    exit code 1 when a smaller share of runs passes, 0 to 1 (0)
  --keep FOLDER          leaves workspaces, sessions and the service's log in this folder, which must be new or empty

cases:
${cases.map(({ name, about }) => `  ${name.padEnd(28)}${about}`).join('\n')}

What a model wrote is run by checks with Node's permission model: it may read its workspace, but write and start nothing.
Exit codes: 0, 1 (below --min-success), 2 (usage), 3 (the service or the evaluation failed).
`

/** `help`, or throws with one sentence when something is wrong. */
export const readSettings = (
  argv: readonly string[],
  env: Readonly<Record<string, string | undefined>>,
  all: readonly EvalCase[],
): Settings | 'help' => {
  const text = { type: 'string' } as const
  const flag = { type: 'boolean', default: false } as const
  const { values } = parseArgs({
    args: [...argv],
    options: {
      'base-url': text,
      model: text,
      solver: flag,
      failer: flag,
      only: { type: 'string', multiple: true },
      repeat: { type: 'string', default: '1' },
      concurrency: { type: 'string', default: '2' },
      'max-iterations': { type: 'string', default: '20' },
      'timeout-s': { type: 'string', default: '600' },
      config: text,
      json: text,
      'min-success': { type: 'string', default: '0' },
      keep: text,
      help: { ...flag, short: 'h' },
    },
  })
  if (values.help) return 'help'
  const whole = (name: 'repeat' | 'concurrency' | 'max-iterations' | 'timeout-s', most: number): number => {
    const value = Number(values[name])
    if (Number.isInteger(value) && value >= 1 && value <= most) return value
    throw new Error(`--${name} must be a whole number from 1 to ${most}`)
  }
  const minSuccess = Number(values['min-success'])
  if (!(minSuccess >= 0 && minSuccess <= 1)) throw new Error('--min-success must be a number from 0 to 1')
  return {
    cases: casesOf(
      values.only?.flatMap((names) => names.split(',')),
      all,
    ),
    asked: askedOf(values, env),
    repeat: whole('repeat', 1000),
    concurrency: whole('concurrency', 50),
    maxIterations: whole('max-iterations', 1000),
    timeoutS: whole('timeout-s', 86_400),
    minSuccess,
    ...(values.json === undefined ? {} : { json: resolve(values.json) }),
    ...(values.config === undefined ? {} : { config: resolve(values.config) }),
    ...(values.keep === undefined ? {} : { keep: resolve(values.keep) }),
  }
}

const casesOf = (names: readonly string[] | undefined, all: readonly EvalCase[]): readonly EvalCase[] => {
  const unknown = names?.find((name) => !all.some((each) => each.name === name))
  if (unknown !== undefined)
    throw new Error(`--only: ${unknown} is none of ${all.map(({ name }) => name).join(', ')}`)
  return names === undefined ? all : all.filter(({ name }) => names.includes(name))
}

interface AskedValues {
  solver: boolean
  failer: boolean
  'base-url'?: string | undefined
  model?: string | undefined
}

const askedOf = (
  values: AskedValues,
  env: Readonly<Record<string, string | undefined>>,
): Settings['asked'] => {
  const { solver, failer } = values
  if (solver || failer) {
    if (solver && failer) throw new Error('--solver and --failer exclude each other')
    if (values['base-url'] ?? values.model)
      throw new Error('a script is asked at its own endpoint: leave out --base-url and --model')
    return { script: solver ? 'solver' : 'failer' }
  }
  const baseUrl = values['base-url'] ?? env['OPENAI_BASE_URL']
  const apiKey = env['OPENAI_API_KEY']
  if (!baseUrl && !apiKey)
    throw new Error('there is no model to ask: give --base-url, OPENAI_API_KEY, --solver or --failer')
  if (baseUrl && !URL.canParse(baseUrl)) throw new Error(`--base-url is no URL: ${baseUrl}`)
  return {
    model: values.model ?? env['ALEX_MODEL'] ?? 'gpt-4o-mini',
    ...(baseUrl ? { baseUrl } : {}),
    ...(apiKey ? { apiKey } : {}),
  }
}
