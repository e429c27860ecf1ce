/** Reads out of Redis and of the machine what a run left: logs, and all that should not be there any more. */
import { readdirSync, readFileSync } from 'node:fs'
import type { Redis } from 'ioredis'
import { METRICS, sumOf } from './check-spending.ts'
import type { Costs, Counted, Leftovers, LogEntry } from './history.ts'

const UNFINISHED = ['pending', 'running', 'waiting']
const PAGE = 1000

const fieldsOf = (flat: readonly string[]): Record<string, string> =>
  Object.fromEntries(flat.flatMap((name, i) => (i % 2 === 0 ? [[name, flat[i + 1] ?? '']] : [])))

const keysOf = async (redis: Redis, pattern: string): Promise<string[]> => {
  const keys: string[] = []
  let cursor = '0'
  do {
    const [next, page] = await redis.scan(cursor, 'MATCH', pattern, 'COUNT', 1000)
    keys.push(...page)
    cursor = next
  } while (cursor !== '0')
  return keys
}

export const createCollector = (redis: Redis, prefix: string) => {
  const readLog = async (key: string): Promise<LogEntry[]> => {
    const entries: LogEntry[] = []
    let after = '-'
    for (;;) {
      const page = await redis.xrange(key, after, '+', 'COUNT', PAGE)
      for (const [id, flat] of page) {
        const { task = '', seq, at, type = '', data = '{}', parent } = fieldsOf(flat)
        const place = { id, task, seq: Number(seq), at: Number(at), type }
        const said = JSON.parse(data) as LogEntry['data']
        entries.push({ ...place, data: said, ...(parent === undefined ? {} : { parent }) })
      }
      if (page.length < PAGE) return entries
      after = `(${entries.at(-1)?.id}`
    }
  }

  const unfinished = async () => {
    const found = await Promise.all(
      UNFINISHED.map(async (status) =>
        (await redis.zrange(`${prefix}:status:${status}`, '0', '-1')).map((task_id) => ({ task_id, status })),
      ),
    )
    return found.flat()
  }
  const due = async () => [
    ...(await redis.zrange(`${prefix}:due`, '0', '-1')),
    ...(await redis.zrange(`${prefix}:due:tickets`, '0', '-1')),
  ]
  const tickets = () => keysOf(redis, `${prefix}:tickets:task-*`)

  const leases = async () => {
    const held: string[] = []
    for (const key of await keysOf(redis, `${prefix}:task:*`)) {
      const [status, lease] = await redis.hmget(key, 'status', 'lease_until')
      if (status !== 'running' && Number(lease ?? 0) > 0) held.push(key)
    }
    return held
  }

  /** Keys of sessions and tasks that have no session any more. */
  const orphans = async () => {
    const sessions = new Set(await redis.zrange(`${prefix}:sessions`, '0', '-1'))
    const bad: string[] = []
    for (const key of await keysOf(redis, `${prefix}:session:*`)) {
      const session = key.slice(`${prefix}:session:`.length).split(':')[0] ?? ''
      if (!sessions.has(session)) bad.push(key)
    }
    for (const key of await keysOf(redis, `${prefix}:task:*`)) {
      const session = await redis.hget(key, 'session_id')
      if (session === null || !sessions.has(session)) bad.push(key)
    }
    return bad
  }

  return {
    /** Nothing is under way and nothing waits, in the service or in its queue. */
    quiet: async () =>
      (await unfinished()).length === 0 && (await due()).length === 0 && (await tickets()).length === 0,
    unfinished,
    async eventCount(): Promise<number> {
      const keys = await keysOf(redis, `${prefix}:session:*:log`)
      return (await Promise.all(keys.map((key) => redis.xlen(key)))).reduce((sum, length) => sum + length, 0)
    },
    async logs(): Promise<Record<string, LogEntry[]>> {
      const logs: Record<string, LogEntry[]> = {}
      for (const key of await keysOf(redis, `${prefix}:session:*:log`)) {
        const session = key.slice(`${prefix}:session:`.length, -':log'.length)
        logs[session] = await readLog(key)
      }
      return logs
    },
    async costs(): Promise<Costs> {
      const costs: Costs = { tasks: {}, sessions: {}, days: {}, models: {} }
      const add = (counted: Counted, metric: string, value: string) =>
        void (counted[metric] = (counted[metric] ?? 0) + Number(value))
      for (const key of await keysOf(redis, `${prefix}:task:*`)) {
        const record = await redis.hmget(key, ...METRICS)
        costs.tasks[key.slice(`${prefix}:task:`.length)] = sumOf([
          Object.fromEntries(METRICS.map((name, i) => [name, Number(record[i] ?? 0)])),
        ])
      }
      for (const session of await redis.zrange(`${prefix}:sessions`, '0', '-1')) {
        const counted: Counted = (costs.sessions[session] = {})
        for (const [field, value] of Object.entries(await redis.hgetall(`${prefix}:session:${session}`))) {
          const [, metric] = /^used:(\w+):/.exec(field) ?? []
          if (metric !== undefined) add(counted, metric, value)
        }
      }
      for (const key of await keysOf(redis, `${prefix}:costs:*`))
        for (const [field, value] of Object.entries(await redis.hgetall(key))) {
          const [first = '', second = ''] = field.split(' ')
          if (key.endsWith(':models')) add(costs.models, first, value)
          else add((costs.days[first] ??= {}), second, value)
        }
      return costs
    },
    lastIds: async (sessions: readonly string[]) =>
      Promise.all(sessions.map((id) => redis.hget(`${prefix}:session:${id}`, 'last_id'))),
    async leftovers(workspace: string): Promise<Leftovers> {
      return {
        unfinished: await unfinished(),
        due: await due(),
        tickets: await tickets(),
        leases: await leases(),
        keys: await orphans(),
        children: childrenIn(workspace),
      }
    },
  }
}

/** Processes that work in the run's workspace: all that tools started did. */
const childrenIn = (workspace: string): Leftovers['children'] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const command = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
        const inside = `${readFileSync(`/proc/${pid}/environ`, 'utf8')} ${command}`.includes(workspace)
        return inside ? [{ pid: Number(pid), command }] : []
      } catch {
        return []
      }
    })
