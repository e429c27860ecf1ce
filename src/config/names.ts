/** Which names a setting answers to, and what a misspelt one was probably meant to be. */
import { distance } from 'fastest-levenshtein'
import { CONFIG_KEYS, type ConfigKey, settingOf } from './schema.ts'

/** Where the configuration file is; no setting itself, since it says where settings are. */
export const CONFIG_FILE_ENV = 'ALEX_CONFIG'
export const CONFIG_FILE_OPTION = 'config'

const ENV_NAMES = CONFIG_KEYS.flatMap((key) => settingOf(key).env ?? [])
const OPTIONS = [...CONFIG_KEYS.map((key) => optionOf(key)), CONFIG_FILE_OPTION]

/** `worker_port` → `worker-port`. */
function optionOf(key: string): string {
  return key.replaceAll('_', '-')
}

export const keyOfOption = (option: string): ConfigKey | undefined =>
  CONFIG_KEYS.find((key) => key === option.replaceAll('-', '_'))

export const nearestKey = (name: string): string | undefined => nearest(name.toLowerCase(), CONFIG_KEYS)

export const nearestOption = (name: string): string | undefined => nearest(name.toLowerCase(), OPTIONS)

/**
 * What an `ALEX_*` name that is none of ours was meant to be: `ALEX_PORT` is PORT, `ALEX_API_KEY` is
 * OPENAI_API_KEY, `ALEX_MAX_TOKNES` is ALEX_MAX_TOKENS. Undefined when nothing is near: other programs may
 * use the prefix (tool processes carry a marker of ours in it), so such a name is let be.
 */
export const nearestEnv = (name: string): string | undefined => {
  if (!name.startsWith('ALEX_') || name === CONFIG_FILE_ENV) return undefined
  const plain = name.replace(/_FILE$/, '')
  if (ENV_NAMES.includes(plain)) return undefined
  const bare = plain.slice('ALEX_'.length)
  if (ENV_NAMES.includes(bare)) return bare
  const key = CONFIG_KEYS.find((each) => each.toUpperCase() === bare)
  return key === undefined
    ? nearest(plain, [...ENV_NAMES, CONFIG_FILE_ENV], 2)
    : (settingOf(key).env ?? `"${key}" in the configuration file`)
}

const nearest = (
  name: string,
  known: readonly string[],
  within = Math.max(2, Math.floor(name.length / 3)),
): string | undefined => {
  const ranked = known.map((each) => ({ each, off: distance(name, each) }))
  const best = ranked.toSorted((a, b) => a.off - b.off)[0]
  return best !== undefined && best.off <= within ? best.each : undefined
}
