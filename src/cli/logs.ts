import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { loadConfigOrExit } from '../config.ts'
import { instanceOf, ROOT } from './instance.ts'

export const LOGS = ['alex', 'api', 'worker', 'redis']

export interface LogsOptions {
  follow?: boolean
}

/** Of the background instance, by `tail`. */
export const logs = async (part: string | undefined, { follow = false }: LogsOptions): Promise<number> => {
  const { config } = loadConfigOrExit({ argv: [], cwd: ROOT })
  const { folder } = instanceOf(config)
  const files = (part === undefined ? LOGS : [part])
    .map((each) => join(folder, `${each}.log`))
    .filter(existsSync)
  if (files.length === 0) {
    process.stdout.write(`there are no logs in ${folder}\n`)
    return 0
  }
  const tail = spawn('tail', ['-n', '200', ...(follow ? ['-F'] : []), ...files], { stdio: 'inherit' })
  // Ctrl-C reaches tail as well; leaving first would hand the terminal back too early.
  process.on('SIGINT', () => {})
  const [code] = await once(tail, 'exit')
  return typeof code === 'number' ? code : 0
}
