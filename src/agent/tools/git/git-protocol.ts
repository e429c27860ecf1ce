/**
 * What a git tool asks of the process that runs git for it: one JSON value on its stdin, one on its stdout.
 *
 * simple-git starts git by itself, so it lives in a process of its own under the guard: whatever it started
 * ends with the lease.
 */
import { z } from 'zod'
import { Repository } from './repository.ts'

export const HistoryQuery = z.object({
  type: z.enum(['message', 'code', 'file', 'author', 'date']),
  query: z.string(),
  /** Relative to the workspace. */
  file: z.string().optional(),
  limit: z.number().int(),
})
export type HistoryQuery = z.infer<typeof HistoryQuery>

const Operation = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('history'), search: HistoryQuery }),
  z.object({ kind: z.literal('inspect') }),
  z.object({
    kind: z.literal('commit'),
    message: z.string(),
    /** What was inspected; anything else is not committed. */
    tree: z.string(),
    head: z.string(),
    /** To be staged first; none: what is staged already. */
    paths: z.array(z.string()),
    /** Whether the repository's hooks run, and its own configuration counts. */
    hooks: z.boolean(),
  }),
  z.object({
    kind: z.literal('propose'),
    gh: z.string(),
    title: z.string().optional(),
    base: z.string().optional(),
    /** Only for git's transport and gh. */
    credentials: z.record(z.string(), z.string()),
  }),
])
export type Operation = z.infer<typeof Operation>

export const GitRequest = z.object({
  repository: Repository,
  /** A folder that does not exist yet; the process makes it, whoever asked removes it. */
  scratch: z.string(),
  operation: Operation,
})
export type GitRequest = z.infer<typeof GitRequest>

const Change = z.object({ path: z.string(), change: z.enum(['added', 'modified', 'deleted']) })
export type Change = z.infer<typeof Change>

export const Inspection = z.object({
  branch: z.string(),
  /** '' before the first commit. */
  head: z.string(),
  tree: z.string(),
  /** True: what is staged; false: nothing is, so all that changed. */
  staged: z.boolean(),
  /** What would be staged for it; deleted files too. */
  paths: z.array(z.string()),
  changes: z.array(Change),
  stat: z.string(),
  /** For the model; cut. */
  diff: z.string(),
  /** Each with what makes it look like a secret. */
  secrets: z.array(z.object({ path: z.string(), why: z.string() })),
  /** Repositories within this one; never committed by the tool. */
  nested: z.array(z.string()),
})
export type Inspection = z.infer<typeof Inspection>

export const Commits = z.array(
  z.object({ hash: z.string(), date: z.string(), author: z.string(), subject: z.string() }),
)
export type Commits = z.infer<typeof Commits>

export const Committed = z.object({ hash: z.string(), output: z.string() })
export const Proposed = z.object({
  url: z.string(),
  existed: z.boolean(),
  branch: z.string(),
  base: z.string(),
})

/** `refused`: in a few words for the model why nothing was done; with `done`, what was. */
export const GitAnswer = z.discriminatedUnion('ok', [
  z.object({ ok: z.literal(true), value: z.unknown() }),
  z.object({ ok: z.literal(false), refused: z.string() }),
])
export type GitAnswer = z.infer<typeof GitAnswer>

/** An expected outcome other than success, on its way to `GitAnswer`. */
export class GitRefused extends Error {
  override name = 'GitRefused'
}
