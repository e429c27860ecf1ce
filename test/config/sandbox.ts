import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ConfigError, type LoadConfig, loadConfig } from '../../src/config.ts'
import { tempFolder } from './temp.ts'

/** A home and a working folder of the test's own; nothing of the machine's environment. */
export const sandbox = async (files: { home?: object | string; dotenv?: string } = {}) => {
  const folder = await tempFolder()
  const home = join(folder.path, 'home')
  const cwd = join(folder.path, 'work')
  await mkdir(home)
  await mkdir(cwd)
  const file = join(home, '.alex-config.json')
  if (files.home !== undefined)
    await writeFile(file, typeof files.home === 'string' ? files.home : JSON.stringify(files.home), {
      mode: 0o600,
    })
  if (files.dotenv !== undefined) await writeFile(join(cwd, '.env'), files.dotenv)
  const load = (given: LoadConfig = {}) =>
    loadConfig({ argv: [], cwd, ...given, env: { HOME: home, ...given.env } })
  const problems = (given: LoadConfig = {}): readonly string[] => {
    try {
      load(given)
    } catch (error) {
      if (error instanceof ConfigError) return error.problems
      throw error
    }
    return []
  }
  return { home, cwd, file, load, problems, [Symbol.asyncDispose]: folder[Symbol.asyncDispose] }
}
