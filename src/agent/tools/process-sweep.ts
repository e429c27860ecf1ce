/**
 * Finds and kills everything a call started.
 *
 * A process group is not enough (`setsid` leaves it), so every process of a call carries a marker in its
 * environment, and what descends from a marked process belongs to it too. Without bubblewrap's PID namespace
 * one kind escapes: a process that left its group, cleared or overwrote its environment, and whose parent
 * ended before the scan. Elsewhere than on Linux (no /proc) only the group is killed.
 */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

/** Value: the call's key. */
export const CALL_MARKER = 'ALEX_CALL'
/** Value: the guard that started it, see `guardIdentity`. */
export const GUARD_MARKER = 'ALEX_GUARD'

export interface SweepTarget {
  /** The call's key. */
  key: string
  /** The command's own process, which leads its group. */
  rootPid?: number
  /** Clock ticks since boot; older processes are left alone without looking. */
  since?: number
}

/** Kills until two scans in a row found nobody. False when something outlived `patienceMs` (unkillable I/O). */
export const sweep = async (target: SweepTarget, patienceMs = 5_000): Promise<boolean> => {
  const deadline = performance.now() + patienceMs
  for (let clean = 0; clean < 2; ) {
    killGroup(target.rootPid)
    const found = belongingTo(target)
    for (const pid of found) kill(pid)
    clean = found.length === 0 ? clean + 1 : 0
    if (clean < 2 && performance.now() > deadline) return false
    if (clean < 2) await sleep(4)
  }
  return true
}

/**
 * For a worker's start: kills what calls of guards that no longer live left behind (a guard and its worker
 * killed together, without bubblewrap). Guards of other PID namespaces (containers) are not judged.
 * Gives the number of processes killed.
 */
export const reapLeftovers = async (): Promise<number> => {
  const killed = new Set<number>()
  for (let clean = 0, rounds = 0; clean < 2 && rounds < 100; rounds += 1) {
    const orphans = listProcesses(0).filter(({ pid }) => isOrphan(environmentOf(pid)))
    for (const { pid } of orphans) {
      kill(pid)
      killed.add(pid)
    }
    clean = orphans.length === 0 ? clean + 1 : 0
    if (clean < 2) await sleep(4)
  }
  return killed.size
}

/** `pid:start:namespace`: a pid alone is reused, and means another process in another container. */
export const guardIdentity = (): string =>
  `${process.pid}:${startTimeOf(process.pid) ?? 0}:${pidNamespace() ?? ''}`

/** Clock ticks since boot at which the process began; undefined when it is gone or there is no /proc. */
export const startTimeOf = (pid: number): number | undefined => readProcess(pid)?.start

export const killGroup = (leader: number | undefined): void => {
  if (leader !== undefined && leader > 1) kill(-leader)
}

interface ProcessInfo {
  pid: number
  parent: number
  group: number
  start: number
}

const belongingTo = ({ key, rootPid, since = 0 }: SweepTarget): number[] => {
  const processes = listProcesses(since)
  const marker = `\0${CALL_MARKER}=${key}\0`
  const members = new Set(
    processes
      .filter(({ pid, group }) => group === rootPid || environmentOf(pid).includes(marker))
      .map(({ pid }) => pid),
  )
  // Closed over descent before anything is killed: an orphan's parent can't be asked any more.
  for (let before = -1; before !== members.size; ) {
    before = members.size
    for (const { pid, parent } of processes) if (members.has(parent)) members.add(pid)
  }
  return [...members]
}

/** Living processes but this one. Zombies are dead; who reaps them is not our matter. */
const listProcesses = (since: number): ProcessInfo[] => {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((name) => readProcess(Number(name)))
    .filter((info) => info !== undefined)
    .filter(({ start }) => start >= since)
}

const readProcess = (pid: number): ProcessInfo | undefined => {
  const stat = readOrEmpty(`/proc/${pid}/stat`)
  // The command's name, in parentheses, may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, parent, group] = fields
  if (state === undefined || fields.length < 20 || state === 'Z' || state === 'X') return undefined
  return { pid, parent: Number(parent), group: Number(group), start: Number(fields[19]) }
}

/** Framed by NULs, so that an entry can be searched as `\0NAME=value\0`. */
const environmentOf = (pid: number): string => `\0${readOrEmpty(`/proc/${pid}/environ`)}`

const isOrphan = (environment: string): boolean => {
  if (!environment.includes(`\0${CALL_MARKER}=`)) return false
  const guard = environment.split(`\0${GUARD_MARKER}=`)[1]?.split('\0')[0]
  const [pid, start, namespace] = guard?.split(':') ?? []
  if (pid === undefined || namespace === '' || namespace !== pidNamespace()) return false
  return startTimeOf(Number(pid)) !== Number(start)
}

const pidNamespace = (): string | undefined => {
  try {
    return readlinkSync('/proc/self/ns/pid').replace(/\D/g, '')
  } catch {
    return undefined
  }
}

const readOrEmpty = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL')
  } catch {
    // Gone already, or another user's (setuid), which no signal of ours reaches.
  }
}
