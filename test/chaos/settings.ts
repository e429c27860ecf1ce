/** What a run is asked for on the command line. */
import { parseArgs } from 'node:util'
import { FAULT_KINDS, type FaultKind } from './history.ts'

export interface Settings {
  tasks: number
  workers: number
  minutes: number
  seed: number
  fsync: 'always' | 'everysec'
  /** No faults: only the work, and cancels whose latency is measured. */
  calm: boolean
  /** Which faults there are; the others are left out. */
  only: readonly FaultKind[]
  /** How many times as often as usual they come. */
  pace: number
  /** Keep logs and data of the run in this folder. */
  keep?: string
}

export const USAGE = `usage: npm run chaos -- [--tasks 300] [--workers 3] [--minutes 1.5] [--seed N]
                     [--fsync always|everysec] [--calm] [--keep FOLDER]
                     [--pace 1] [--only ${FAULT_KINDS.join(',')}]

Runs real API and worker processes on a Redis of its own, breaks them by seed, and judges what was seen.
Exit code 1 when the history breaks a rule; the report names seed and task.
`

/** Throws with one sentence when something is no number or unknown. */
export const readSettings = (argv: readonly string[]): Settings => {
  const { values } = parseArgs({
    args: [...argv],
    options: {
      tasks: { type: 'string', default: '300' },
      workers: { type: 'string', default: '3' },
      minutes: { type: 'string', default: '1.5' },
      seed: { type: 'string', default: String(Date.now() % 1_000_000) },
      fsync: { type: 'string', default: 'always' },
      calm: { type: 'boolean', default: false },
      only: { type: 'string' },
      pace: { type: 'string', default: '1' },
      keep: { type: 'string' },
    },
  })
  const number = (name: 'tasks' | 'workers' | 'minutes' | 'seed' | 'pace', least: number) => {
    const value = Number(values[name])
    if (!Number.isFinite(value) || value < least)
      throw new Error(`--${name} must be a number of at least ${least}`)
    return value
  }
  const { fsync, calm, keep } = values
  if (fsync !== 'always' && fsync !== 'everysec') throw new Error('--fsync must be always or everysec')
  const only = values.only?.split(',') ?? FAULT_KINDS
  const unknown = only.find((kind) => !FAULT_KINDS.some((known) => known === kind))
  if (unknown !== undefined) throw new Error(`--only: ${unknown} is none of ${FAULT_KINDS.join(', ')}`)
  return {
    tasks: number('tasks', 1),
    workers: number('workers', 2),
    minutes: number('minutes', 0.25),
    seed: number('seed', 0),
    pace: number('pace', 0.1),
    fsync,
    calm,
    only: FAULT_KINDS.filter((kind) => only.includes(kind)),
    ...(keep === undefined ? {} : { keep }),
  }
}
