/**
 * The kinds of value a setting can have. Each accepts what a JSON file holds and what a line of text holds
 * (environment, command line), and says in its message what it would have taken.
 */
import { homedir } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'

const DECIMAL = /^[+-]?(\d+\.?\d*|\.\d+)$/
const asNumber = (value: unknown): unknown =>
  typeof value === 'string' && DECIMAL.test(value.trim()) ? Number(value) : value

const WORDS = new Map<unknown, boolean>([
  ['true', true],
  ['1', true],
  ['yes', true],
  ['on', true],
  ['false', false],
  ['0', false],
  ['no', false],
  ['off', false],
  [1, true],
  [0, false],
])
const asBoolean = (value: unknown): unknown =>
  WORDS.get(typeof value === 'string' ? value.trim().toLowerCase() : value) ?? value

/** Whether a word after `--flag` is that flag's value rather than the next argument. */
export const isBooleanWord = (word: string): boolean => typeof asBoolean(word) === 'boolean'

const asList = (value: unknown): unknown => {
  if (typeof value !== 'string') return value
  // Lines too: a file of secrets holds one on each.
  const items = value.split(/[,\n]/).map((item) => item.trim())
  return items.filter((item) => item !== '')
}

const trimmed = (value: unknown): unknown => (typeof value === 'string' ? value.trim() : value)

export const text = () => z.preprocess(trimmed, z.string({ error: 'must be text' }))

export const textMatching = (pattern: RegExp, expected: string) => {
  const error = `must be ${expected}`
  return z.preprocess(trimmed, z.string({ error }).regex(pattern, { error }))
}

export const whole = (min: number, max: number) => {
  const error = `must be a whole number from ${min} to ${max}`
  return z.preprocess(asNumber, z.int({ error }).min(min, { error }).max(max, { error }))
}

export const decimal = (min: number, max: number) => {
  const error = `must be a number from ${min} to ${max}`
  return z.preprocess(asNumber, z.number({ error }).min(min, { error }).max(max, { error }))
}

export const flag = () =>
  z.preprocess(asBoolean, z.boolean({ error: 'must be true/false, 1/0, yes/no or on/off' }))

export const list = () => {
  const error = 'must be a list, or text separated by commas'
  return z.preprocess(asList, z.array(z.string({ error }).trim().min(1, { error }), { error }))
}

export const choice = <const Options extends readonly [string, ...string[]]>(options: Options) =>
  z.preprocess(
    (value) => (typeof value === 'string' ? value.trim().toLowerCase() : value),
    z.enum(options, { error: `must be one of ${options.join(', ')}` }),
  )

/** By model; `cached` is of input from the provider's cache, absent: as any input. */
export const priceTable = () => {
  const error =
    'must be an object of models, in the configuration file: {"my-model": {"input": 0.5, "output": 2}}, USD per million tokens'
  const usd = z.number({ error }).min(0, { error }).max(1_000_000, { error })
  const price = z.strictObject({ input: usd, output: usd, cached: usd.optional() }, { error })
  return z.record(z.string().min(1, { error }), price, { error })
}

/** An absolute path once `absolute` has been applied. */
export const path = () => z.preprocess(trimmed, z.string({ error: 'must be a path' }))

/** `~` is the home folder of `env`; anything relative counts from `cwd`. */
export const absolute = (value: string, env: NodeJS.ProcessEnv, cwd: string): string => {
  const home = env['HOME'] || homedir()
  if (value === '~') return home
  return value.startsWith('~/') ? resolve(home, value.slice(2)) : resolve(cwd, value)
}
