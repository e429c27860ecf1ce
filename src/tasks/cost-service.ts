/** Reads what lua/costs.lua counted. */
import { z } from 'zod'
import { InvalidRequest } from '../errors.ts'
import { viaRedis } from '../redis.ts'
import type { CostGroup, CostGrouping, CostReport, SessionCost } from '../schemas/cost.ts'
import type { Archive } from './archive.ts'
import { decodeCursor, encodeCursor } from './cursor.ts'
import type { CostQuery, CostService } from './service.ts'
import type { Store } from './store.ts'
import { addCounters, type Counters, counterOf, countersByModel, sumOf, usageOf } from './usage.ts'

const DAY_MS = 86_400_000
const DEFAULT_DAYS = 30
/** As long as days are kept. */
const MOST_DAYS = 400
const DAYS_A_READ = 50
const FIELDS_A_READ = 1000

export const createCostService = ({ store, archive }: { store: Store; archive: Archive }): CostService => {
  const { redis, key } = store

  /** What the days hold under each group's name. */
  const groupsOf = async (days: readonly string[], by: CostGrouping): Promise<Map<string, Counters>> => {
    const groups = new Map<string, Counters>()
    const count = (group: string, counters: Counters) => {
      if (Object.keys(counters).length === 0) return
      const of = groups.get(group) ?? {}
      addCounters(of, counters)
      groups.set(group, of)
    }
    if (by === 'session') {
      for (const day of days)
        for (const [field, value] of await allFields(key('costs', day))) {
          const [session = '', metric = ''] = field.split(' ', 2)
          count(session, counterOf(metric, value))
        }
      return groups
    }
    for (let from = 0; from < days.length; from += DAYS_A_READ) {
      const some = days.slice(from, from + DAYS_A_READ)
      const pipeline = redis.pipeline()
      for (const day of some) pipeline.hgetall(key('costs', day, 'models'))
      for (const [i, [error, reply]] of ((await pipeline.exec()) ?? []).entries()) {
        if (error) throw error
        for (const [field, value] of Object.entries(Fields.parse(reply))) {
          const [, metric = '', model = ''] = /^(\S+) (.*)$/s.exec(field) ?? []
          count(by === 'model' ? model : (some[i] ?? ''), counterOf(metric, value))
        }
      }
    }
    return groups
  }

  /** In parts: a day may have many sessions. A field may come twice, with its value. */
  const allFields = async (name: string): Promise<Map<string, string>> => {
    const fields = new Map<string, string>()
    let cursor = '0'
    do {
      const [next, flat] = await redis.hscan(name, cursor, 'COUNT', FIELDS_A_READ)
      for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '')
      cursor = next
    } while (cursor !== '0')
    return fields
  }

  const today = async () => dayOf(Number((await redis.time())[0]) * 1000)

  const report = async (query: CostQuery): Promise<{ report: CostReport; next?: string }> => {
    const after = query.cursor === undefined ? '' : decodeCursor(query.cursor, z.string())
    const { from, to } = rangeOf(query, await today())
    const groups = await groupsOf(daysBetween(from, to), query.group_by)
    const names = [...groups.keys()].filter((name) => name > after).toSorted()
    const shown = names.slice(0, query.limit)
    const last = shown.at(-1)
    return {
      report: {
        from,
        to,
        group_by: query.group_by,
        total: usageOf(sumOf(groups.values())),
        groups: shown.map((name) => groupOf(query.group_by, name, groups.get(name) ?? {})),
      },
      ...(last !== undefined && names.length > shown.length ? { next: encodeCursor(last) } : {}),
    }
  }

  return {
    async ofSession(sessionId): Promise<SessionCost | null> {
      const known = await store.sessionFields(sessionId)
      const fields = known ?? ((await archive.find(sessionId)) ? await store.sessionFields(sessionId) : null)
      if (!fields) return null
      const models = countersByModel(fields)
      return {
        session_id: sessionId,
        ...usageOf(sumOf(models.values())),
        models: [...models]
          .toSorted(([a], [b]) => (a < b ? -1 : 1))
          .map(([model, counters]) => ({ model, ...usageOf(counters) })),
      }
    },

    report: (query) => viaRedis(report(query)),
  }
}

const Fields = z.record(z.string(), z.string())

const groupOf = (by: CostGrouping, name: string, counters: Counters): CostGroup => {
  const usage = usageOf(counters)
  switch (by) {
    case 'day':
      return { day: name, ...usage }
    case 'model':
      return { model: name, ...usage }
    case 'session':
      return { session_id: name, ...usage }
  }
}

const dayOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)

const rangeOf = ({ from, to }: Pick<CostQuery, 'from' | 'to'>, today: string) => {
  const last = to ?? today
  const first = from ?? dayOf(Date.parse(last) - (DEFAULT_DAYS - 1) * DAY_MS)
  const days = (Date.parse(last) - Date.parse(first)) / DAY_MS + 1
  if (days < 1) throw badRange(`must not be after \`to\` (${last})`)
  if (days > MOST_DAYS)
    throw badRange(`must be at most ${MOST_DAYS} days before \`to\` (${last}), both included`)
  return { from: first, to: last }
}

const badRange = (message: string) =>
  new InvalidRequest('invalid_request', `from ${message}`, [{ path: 'from', message }])

const daysBetween = (from: string, to: string): string[] => {
  const days: string[] = []
  for (let at = Date.parse(from); at <= Date.parse(to); at += DAY_MS) days.push(dayOf(at))
  return days
}
