import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

/**
 * The process that `pidFile` names, if it is alive and its command line holds `mark`; else undefined.
 * The mark tells our process from a stranger that was given the same number later.
 */
export const livingProcess = (pidFile: string, mark: string): number | undefined => {
  const pid = Number(readOr(pidFile, ''))
  return Number.isInteger(pid) && pid > 1 && commandLine(pid).includes(mark) ? pid : undefined
}

/** Empty when there is no such process. */
export const commandLine = (pid: number): string => {
  if (process.platform === 'linux') return readOr(`/proc/${pid}/cmdline`, '').replaceAll('\0', ' ')
  try {
    return execFileSync('ps', ['-o', 'command=', '-p', String(pid)], { encoding: 'utf8', stdio: 'pipe' })
  } catch {
    return ''
  }
}

const readOr = (file: string, fallback: string): string => {
  try {
    return readFileSync(file, 'utf8').trim()
  } catch {
    return fallback
  }
}
