import { type Context, Hono } from 'hono'
import { accepts } from 'hono/accepts'
import type { CostGroup } from '../schemas/cost.ts'
import { CostQuery, SessionCostQuery } from '../schemas/request.ts'
import type { Usage } from '../schemas/usage.ts'
import type { CostService } from '../tasks/service.ts'
import { type Column, csvOf } from './csv.ts'
import { sessionIdOf } from './field-errors.ts'
import { linkNext } from './paging.ts'
import { sessionNotFound } from './problem.ts'
import { queryReader } from './query.ts'
import type { ApiEnv } from './request-id.ts'

const sessionQuery = queryReader(SessionCostQuery.shape)
const reportQuery = queryReader(CostQuery.shape)

export const costRoutes = ({ costs }: { costs: CostService }): Hono<ApiEnv> =>
  new Hono<ApiEnv>()
    .get('/api/sessions/:id/cost', async (c) => {
      const query = sessionQuery(c)
      const id = sessionIdOf(c.req.param('id'))
      const cost = await costs.ofSession(id)
      if (cost === null) throw sessionNotFound(id)
      if (!wantsCsv(c, query.format)) return c.json(cost)
      return csv(c, `costs-${id}`, [{ name: 'model', of: (row) => row.model }, ...USAGE], cost.models)
    })
    .get('/api/costs', async (c) => {
      const query = reportQuery(c)
      const { report, next } = await costs.report(query)
      linkNext(c, next)
      if (!wantsCsv(c, query.format)) return c.json(report)
      const name = query.group_by === 'session' ? 'session_id' : query.group_by
      const key: Column<CostGroup> = { name, of: keyOf }
      return csv(c, `costs-${report.from}-${report.to}`, [key, ...USAGE], report.groups)
    })

const keyOf = (group: CostGroup): string => {
  if ('day' in group) return group.day
  return 'model' in group ? group.model : group.session_id
}

const USAGE: Column<Usage>[] = (
  [
    'input_tokens',
    'output_tokens',
    'cached_tokens',
    'total_tokens',
    'cost_usd',
    'estimated_cost_usd',
    'model_calls',
    'unpriced_calls',
    'estimated_calls',
    'estimated_tokens',
  ] as const
).map((name) => ({ name, of: (usage) => usage[name] }))

/** What the query says, else what the client would rather have. */
const wantsCsv = (c: Context, asked: 'json' | 'csv' | undefined): boolean => {
  c.header('Vary', 'Accept', { append: true })
  if (asked !== undefined) return asked === 'csv'
  const supports = ['application/json', 'text/csv']
  return accepts(c, { header: 'Accept', supports, default: 'application/json' }) === 'text/csv'
}

const csv = <Row>(c: Context, name: string, columns: Column<Row>[], rows: readonly Row[]) =>
  c.body(csvOf(columns, rows), 200, {
    'Content-Type': 'text/csv; charset=utf-8',
    'Content-Disposition': `attachment; filename="${name}.csv"`,
  })
