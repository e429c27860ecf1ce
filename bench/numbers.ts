/** Percentiles, and what the kernel says a process has used. */
import { readdir, readFile } from 'node:fs/promises'

export const percentile = (values: readonly number[], share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** Resident memory of a process, in MB. */
export const residentMb = async (pid: number): Promise<number> => {
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8')) ?? []
  return Number(kb) / 1024
}

/** How often a process has been woken so far, all its threads together: each time it had waited for something. */
export const wakeUps = async (pid: number): Promise<number> => {
  const threads = await readdir(`/proc/${pid}/task`)
  const texts = await Promise.all(threads.map((id) => readFile(`/proc/${pid}/task/${id}/status`, 'utf8')))
  return total(texts.map((text) => Number(/^voluntary_ctxt_switches:\s+(\d+)$/m.exec(text)?.[1])))
}

const MS_A_TICK = 10

/** CPU that a process has used so far, in ms, all its threads together; to 10 ms. */
export const cpuMs = async (pid: number): Promise<number> => {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  // The second field, a name in parentheses, may hold spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) * MS_A_TICK
}

/** Of the processes that a process has started, those that are there. */
export const childrenOf = async (pid: number): Promise<number[]> => {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const parents = await Promise.all(
    pids.map(
      async (id) =>
        /^PPid:\s+(\d+)$/m.exec(await readFile(`/proc/${id}/status`, 'utf8').catch(() => ''))?.[1],
    ),
  )
  return pids.flatMap((id, i) => (parents[i] === String(pid) ? [Number(id)] : []))
}

export const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0)

/** Ms since the epoch with fractions: comparable between processes of one machine. */
export const epochMs = (): number => performance.timeOrigin + performance.now()
