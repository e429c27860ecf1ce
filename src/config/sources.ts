/** Reads each source of settings into one shape: key → value and where it came from. Nothing is judged here. */
import { readFileSync, statSync } from 'node:fs'
import { parseEnv } from 'node:util'
import {
  CONFIG_FILE_ENV,
  CONFIG_FILE_OPTION,
  keyOfOption,
  nearestEnv,
  nearestKey,
  nearestOption,
} from './names.ts'
import { CONFIG_KEYS, Config, type ConfigKey, settingOf } from './schema.ts'
import { isBooleanWord } from './values.ts'

export interface Given {
  value: unknown
  /** As a person would name it: `PORT in the environment`, `"port" in ~/.alex-config.json`. */
  source: string
}

export interface Source {
  values: Map<ConfigKey, Given>
  /** Path of the configuration file, when this source names one. */
  configFile?: string
  /** Files with secrets in them, as they were named. */
  secretFiles: string[]
  problems: string[]
}

const hint = (nearest: string | undefined): string => (nearest ? `; did you mean ${nearest}?` : '')

export const readArguments = (argv: readonly string[]): Source => {
  const found: Source = { values: new Map(), secretFiles: [], problems: [] }
  for (let i = 0; i < argv.length; i++) {
    const argument = argv[i] ?? ''
    const [, name, inline] = /^--([^=]+)(?:=(.*))?$/s.exec(argument) ?? []
    if (name === undefined) {
      found.problems.push(`unexpected argument ${JSON.stringify(argument)} on the command line`)
      continue
    }
    const negated = name.startsWith('no-') && isFlag(keyOfOption(name.slice(3)))
    const key = keyOfOption(negated ? name.slice(3) : name)
    const next = argv[i + 1]
    const takesNext =
      inline === undefined && !negated && next !== undefined && (!isFlag(key) || isBooleanWord(next))
    const value = inline ?? (takesNext ? next : isFlag(key) ? String(!negated) : undefined)
    if (takesNext) i++
    if (key === undefined && name !== CONFIG_FILE_OPTION) {
      found.problems.push(
        `unknown option --${name} on the command line${hint(prefixed(nearestOption(name)))}`,
      )
    } else if (value === undefined) {
      found.problems.push(`--${name} on the command line needs a value`)
    } else if (key === undefined) {
      found.configFile = value
    } else if (value !== '') {
      found.values.set(key, { value, source: `--${name} on the command line` })
    }
  }
  return found
}

const prefixed = (option: string | undefined) => (option === undefined ? undefined : `--${option}`)

const isFlag = (key: ConfigKey | undefined): boolean =>
  key !== undefined && Config.shape[key].safeParse(true).success

/** `where` completes "PORT in …". */
export const readEnvironment = (env: NodeJS.ProcessEnv, where: string): Source => {
  const found: Source = { values: new Map(), secretFiles: [], problems: [] }
  for (const key of CONFIG_KEYS) {
    const { env: name, secret } = settingOf(key)
    if (name === undefined) continue
    const source = `${name} in ${where}`
    const file = secret ? env[`${name}_FILE`] : undefined
    if (env[name] && file) {
      found.problems.push(`both ${name} and ${name}_FILE are set in ${where}: keep one`)
    } else if (env[name]) {
      found.values.set(key, { value: env[name], source })
    } else if (file) {
      const content = readSecret(file, `${name}_FILE in ${where}`, found.problems)
      if (content === undefined) continue
      found.values.set(key, { value: content, source: `${file}, named by ${name}_FILE in ${where}` })
      found.secretFiles.push(file)
    }
  }
  for (const name of Object.keys(env)) {
    const meant = env[name] ? nearestEnv(name) : undefined
    if (meant) found.problems.push(`unknown name ${name} in ${where}${hint(meant)}`)
  }
  if (env[CONFIG_FILE_ENV]) found.configFile = env[CONFIG_FILE_ENV]
  return found
}

/** An empty file is a problem: tokens that silently were none would leave the API open. */
const readSecret = (file: string, source: string, problems: string[]): string | undefined => {
  try {
    const content = readFileSync(file, 'utf8').trim()
    if (content !== '') return content
    problems.push(`${source} names ${file}, which is empty`)
    return undefined
  } catch (error) {
    problems.push(`${source} names ${file}, which cannot be read (${codeOf(error)})`)
    return undefined
  }
}

export const readDotenv = (file: string): Source => {
  const content = readIfThere(file)
  return content === null
    ? { values: new Map(), secretFiles: [], problems: [] }
    : content instanceof Error
      ? { values: new Map(), secretFiles: [], problems: [`${file} cannot be read (${content.message})`] }
      : readEnvironment(parseEnv(content), file)
}

/** What a `.env` says, whatever its names mean; nothing when there is none that can be read. */
export const dotenvValues = (file: string): NodeJS.Dict<string> => {
  const content = readIfThere(file)
  return typeof content === 'string' ? parseEnv(content) : {}
}

/** `required`: somebody named the file, so it has to be there. */
export const readConfigFile = (file: string, required: boolean): Source & { exposed: boolean } => {
  const found: Source & { exposed: boolean } = {
    values: new Map(),
    secretFiles: [],
    problems: [],
    exposed: false,
  }
  const content = readIfThere(file)
  if (content === null) {
    if (required) found.problems.push(`the configuration file ${file} does not exist`)
    return found
  }
  if (content instanceof Error) {
    found.problems.push(`the configuration file ${file} cannot be read (${content.message})`)
    return found
  }
  const parsed = parseObject(content)
  if ('problem' in parsed) {
    found.problems.push(`the configuration file ${file} ${parsed.problem}`)
    return found
  }
  for (const [name, value] of Object.entries(parsed.object)) {
    const key = CONFIG_KEYS.find((each) => each === name)
    if (key === undefined)
      found.problems.push(`unknown key "${name}" in ${file}${hint(quoted(nearestKey(name)))}`)
    else if (value !== '' && value !== null) found.values.set(key, { value, source: `"${key}" in ${file}` })
  }
  const holdsSecret = [...found.values.keys()].some((key) => settingOf(key).secret)
  if (holdsSecret) found.secretFiles.push(file)
  found.exposed = holdsSecret && (statSync(file).mode & 0o044) !== 0
  return found
}

const quoted = (key: string | undefined) => (key === undefined ? undefined : `"${key}"`)

/** V8's own message quotes the text around the error, which may be a key: only the place is taken from it. */
const parseObject = (content: string): { object: object } | { problem: string } => {
  try {
    const value: unknown = JSON.parse(content.replace(/^\uFEFF/, ''))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? { object: value } : { problem: 'must hold one JSON object' }
  } catch (error) {
    const place = /\(line \d+ column \d+\)/.exec(String(error))?.[0]
    return { problem: `is not valid JSON${place ? ` ${place}` : ''}` }
  }
}

/** Null when there is no such file; the error when it is there and cannot be read. */
const readIfThere = (file: string): string | Error | null => {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    return codeOf(error) === 'ENOENT' ? null : new Error(codeOf(error))
  }
}

const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error ? String(error.code) : String(error)
