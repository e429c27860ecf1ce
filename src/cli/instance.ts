/** The background instance of a checkout: one per port, its state in `.alex/<port>/`. */
import { extname, join, resolve } from 'node:path'
import type { Config } from '../config.ts'
import { livingProcess } from '../supervisor/processes.ts'

export const ROOT = resolve(import.meta.dirname, '../..')
/** Of our programs: run from source or built. */
export const EXTENSION = extname(import.meta.filename)

export interface Instance {
  /** Logs and pid files. */
  folder: string
  /** Of the supervisor that `start` started; undefined when it does not run. */
  supervisor: () => number | undefined
  /** Of what the supervisor runs. */
  parts: () => { name: string; pid: number }[]
}

const PARTS = {
  api: `src/http/main${EXTENSION}`,
  worker: `workers/main${EXTENSION}`,
  redis: 'redis.conf',
}

export const instanceOf = ({ port }: Pick<Config, 'port'>): Instance => {
  const folder = join(ROOT, '.alex', String(port))
  const pidFile = (name: string) => join(folder, `${name}.pid`)
  return {
    folder,
    // The folder stands in its command line, so a stranger with the same number is not taken for it.
    supervisor: () => livingProcess(pidFile('alex'), `--log-dir ${folder}`),
    parts: () =>
      Object.entries(PARTS).flatMap(([name, mark]) => {
        const pid = livingProcess(pidFile(name), mark)
        return pid === undefined ? [] : [{ name, pid }]
      }),
  }
}
