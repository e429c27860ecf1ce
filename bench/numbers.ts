/** Percentiles, and what the kernel says a process has used. */
import { readFile } from 'node:fs/promises'

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Resident memory of a process, in MB. */
export const residentMb = async (pid: number): Promise<number> => {
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) / 1024
}

const MS_A_TICK = 10

/** CPU that a process has used so far, in ms, all its threads together; to 10 ms. */
export const cpuMs = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field, a name in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MS_A_TICK
}

export const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** Ms since the epoch with fractions: comparable between processes of one machine. */
export const epochMs = (): number => performance.timeOrigin + performance.now()
