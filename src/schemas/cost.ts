/** What is reported of costs: per session, and per day, model or session over a range of UTC days. */
import { z } from 'zod'
import { Usage } from './usage.ts'

export const CostGrouping = z.enum(['day', 'model', 'session'])
export type CostGrouping = z.infer<typeof CostGrouping>

const ModelCost = Usage.extend({ model: z.string() })

export const SessionCost = Usage.extend({
  session_id: z.string(),
  /** By name. */
  models: z.array(ModelCost),
})
export type SessionCost = z.infer<typeof SessionCost>

/** `YYYY-MM-DD`. */
const Day = z.string()

const CostGroup = z.union([Usage.extend({ day: Day }), ModelCost, Usage.extend({ session_id: z.string() })])
export type CostGroup = z.infer<typeof CostGroup>

export const CostReport = z.object({
  from: Day,
  /** Included. */
  to: Day,
  group_by: CostGrouping,
  /** Of the whole range, whatever page this is. */
  total: Usage,
  /** Those with calls, in the order of their key. */
  groups: z.array(CostGroup),
})
export type CostReport = z.infer<typeof CostReport>
