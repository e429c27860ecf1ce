/** The configuration for people: every value with where it came from, and the table of docs/configuration.md. */
import type { LoadedConfig } from '../config.ts'
import { CONFIG_KEYS, Config, type ConfigKey, settingOf } from './schema.ts'

export interface ConfigRow {
  key: ConfigKey
  /** Empty: only in the file. */
  env: string
  /** As text; secrets show their ends only; empty when not set. */
  value: string
  source: string
  default: string
  meaning: string
}

export const describeConfig = ({ config, sources }: LoadedConfig): ConfigRow[] =>
  CONFIG_KEYS.map((key) => ({
    key,
    env: settingOf(key).env ?? '',
    value: shown(key, config[key]),
    source: sources[key],
    default: defaultText(key),
    meaning: settingOf(key).meaning,
  }))

/** The table of docs/configuration.md. */
export const configTable = (): string => {
  const rows = CONFIG_KEYS.map((key) => {
    const { env, meaning } = settingOf(key)
    return `| \`${key}\` | ${env === undefined ? 'only in the file' : `\`${env}\``} | ${defaultText(key)} | ${meaning} |`
  })
  return ['| file key | environment | default | meaning |', '|---|---|---|---|', ...rows].join('\n')
}

/** `sk-…wxyz`: enough to tell two keys apart, too little to use. */
const maskSecret = (value: string): string => {
  if (value.includes('://')) return value.replace(/(:\/\/[^\s/:@]*):[^/]*@/, '$1:…@')
  if (value.startsWith('/')) return value
  const prefix = /^[a-z]{1,6}[-_]/.exec(value)?.[0] ?? ''
  return value.length < prefix.length + 12 ? '…' : `${prefix}…${value.slice(-4)}`
}

const shown = (key: ConfigKey, value: Config[ConfigKey]): string => {
  const mask = settingOf(key).secret ? maskSecret : (text: string) => text
  if (value === undefined) return ''
  if (Array.isArray(value)) return value.map(mask).join(', ')
  return typeof value === 'object' ? JSON.stringify(value) : mask(String(value))
}

const defaultText = (key: ConfigKey): string => {
  const described = settingOf(key).defaultText
  if (described !== undefined) return described
  const { data } = Config.shape[key].safeParse(undefined)
  if (data === undefined || (Array.isArray(data) && data.length === 0)) return 'none'
  return typeof data === 'object' ? JSON.stringify(data) : String(data)
}
