import { createHash, randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { z } from 'zod'
import { NO_PRICES, type Prices } from '../agent/prices.ts'
import { InvalidRequest } from '../errors.ts'
import type { Event } from '../schemas/event.ts'
import { type CreateTask, isEnded, type Task, TaskCreated, type TaskStatus } from '../schemas/task.ts'
import type { Archive } from './archive.ts'
import type { Feed } from './feed.ts'
import type { TicketQueue } from './queue.ts'
import { newRecord, summaryOf, type TaskDefaults, taskOf } from './record.ts'
import type { CancelOutcome, TaskService } from './service.ts'
import { LEASE_MS, type NewTask, type Store } from './store.ts'

interface Options {
  store: Store
  queue: TicketQueue
  feed: Feed
  archive: Archive
  defaults: TaskDefaults
  presets: { agent: readonly string[]; tool: readonly string[] }
  /** Absent: no price is known. */
  prices?: Prices
  redact: (text: string) => string
  /** Ends what goes on after an answer was given. */
  stopping: AbortSignal
}

const CANCEL_WAIT_MS = 2000
/** From a cancel that was only flagged until the lease it met has lapsed, if nobody renews it. */
const CANCEL_AGAIN_MS = LEASE_MS + 200
const RESTORE_TRIES = 5
const RECORDS_A_CALL = 2000
const CALLS_A_PAGE = 10

export const createTaskService = (options: Options): TaskService => {
  const { store, queue, feed, archive, defaults, presets, redact, stopping, prices = NO_PRICES } = options

  const waitForEnd = async (
    taskId: string,
    waitMs: number,
    signal: AbortSignal,
    onEvent?: (event: Event) => void,
  ): Promise<Task | null> => {
    const first = await store.get(taskId)
    if (!first || isEnded(first.status) || waitMs <= 0) return first && taskOf(first, redact)
    const done = AbortSignal.any([signal, AbortSignal.timeout(waitMs)])
    let asked = true
    // From the first: an end that is heard while the first look is under way may be newer than what it finds.
    let look = () => {
      asked = true
    }
    const stop = await feed.listen(first.session_id, {
      durable: (message) => {
        if (message.event && message.event.task_id !== taskId) return
        if (message.event) onEvent?.(message.event)
        look()
      },
      ephemeral: () => {},
      gap: () => look(),
    })
    try {
      // Looked at again after subscribing: what ended in between was not heard.
      for (;;) {
        if (asked) {
          asked = false
          const now = await store.get(taskId)
          if (!now || isEnded(now.status) || done.aborted) return now && taskOf(now, redact)
        }
        await new Promise<void>((resolve) => {
          look = () => {
            asked = true
            resolve()
          }
          done.addEventListener('abort', look, { once: true })
          if (asked || done.aborted) look()
        })
      }
    } finally {
      stop()
    }
  }

  const cancelOne = async (taskId: string, reason: string, requestedBy: string) => {
    const result = await store.cancel(taskId, reason, requestedBy)
    if (result.verdict !== 'not_found') await queue.add(result.tickets)
    return result
  }

  /** A worker that died a moment ago still has its lease, and there may be no other to notice: look again. */
  const cancelAgain = async (taskIds: readonly string[], reason: string, requestedBy: string) => {
    try {
      await pause(CANCEL_AGAIN_MS, undefined, { signal: stopping })
      for (const id of taskIds) await cancelOne(id, reason, requestedBy)
    } catch {
      // The flag is stored: the next heartbeat of any worker ends the task.
    }
  }

  const knownPreset = (kind: 'agent' | 'tool', name: string) => {
    if (presets[kind].includes(name)) return
    const message = `unknown ${kind} preset ${JSON.stringify(name)}; known: ${presets[kind].join(', ')}`
    throw new InvalidRequest('unknown_preset', message, [{ path: `${kind}_preset`, message }])
  }

  /** Without a price a limit on the cost could not be kept. */
  const knownPrice = async (model: string) => {
    if (await prices.of(model)) return
    const message = `nobody knows what ${JSON.stringify(model)} costs: name its price in \`prices\` of the configuration file, or limit max_total_tokens`
    throw new InvalidRequest('unknown_price', message, [{ path: 'max_cost_usd', message }])
  }

  /** A session that only its file has is restored before anything is appended. */
  const createIn = async (existing: string | undefined, task: NewTask) => {
    let onlyKnown = existing !== undefined
    for (let tries = 0; tries < RESTORE_TRIES; tries += 1) {
      const result = await store.create({ ...task, only_known_session: onlyKnown })
      if (result.verdict !== 'not_here') return result
      onlyKnown = await archive.ready(task.session_id)
    }
    throw new Error(`the session ${task.session_id} is evicted as often as it is restored`)
  }

  return {
    async create(input, idempotencyKey, trace) {
      knownPreset('agent', input.agent_preset ?? defaults.agent_preset)
      knownPreset('tool', input.tool_preset ?? defaults.tool_preset)
      if (input.max_cost_usd !== undefined) await knownPrice(input.model ?? defaults.model)
      const answer: TaskCreated = {
        task_id: `task-${randomUUID()}`,
        session_id: input.session_id ?? `session-${randomUUID()}`,
        status: 'pending',
      }
      const result = await createIn(input.session_id, {
        task_id: answer.task_id,
        session_id: answer.session_id,
        fields: { ...newRecord(input, defaults), ...trace },
        title: firstLine(input.task),
        ...(input.run_at === undefined ? {} : { run_at_ms: Date.parse(input.run_at) }),
        ...(idempotencyKey === undefined
          ? {}
          : {
              idempotency: {
                key: digest(idempotencyKey),
                hash: digest(canonical(input)),
                answer: JSON.stringify(answer),
              },
            }),
      })
      switch (result.verdict) {
        case 'created':
          await queue.add(result.tickets)
          return { outcome: 'created', answer }
        case 'replayed':
          return { outcome: 'replayed', answer: TaskCreated.parse(JSON.parse(result.answer)) }
        case 'conflict':
          return { outcome: 'idempotency_conflict' }
        case 'session_deleted':
          return { outcome: 'session_deleted' }
      }
    },

    async get(taskId) {
      const record = await store.get(taskId)
      return record && taskOf(record, redact)
    },

    waitForEnd,

    async list(query) {
      const items = []
      let cursor = query.cursor === undefined ? '' : decodeCursor(query.cursor)
      let total: number | undefined
      // A text search looks at a bounded number of records a call, so that Redis is never held up.
      for (let calls = 0; calls < CALLS_A_PAGE && items.length < query.limit; calls += 1) {
        const page = await store.list({
          limit: query.limit - items.length,
          cursor,
          statuses: query.status ?? [],
          sessionId: query.session_id ?? '',
          text: query.q ?? '',
          budget: RECORDS_A_CALL,
        })
        items.push(...page.records.map((record) => summaryOf(record, redact)))
        total ??= page.total
        cursor = page.next ?? ''
        if (cursor === '') break
      }
      return {
        items,
        ...(total === undefined ? {} : { total }),
        ...(cursor === '' ? {} : { next: Buffer.from(cursor).toString('base64url') }),
      }
    },

    stats: () => store.stats(),

    async cancel(taskId, by): Promise<CancelOutcome> {
      const reason = by.reason ?? 'task cancelled by user'
      const result = await cancelOne(taskId, reason, by.requestedBy)
      switch (result.verdict) {
        case 'not_found':
          return { outcome: 'not_found' }
        case 'ended':
          return { outcome: 'already_ended', status: result.status }
        case 'cancelled':
          return { outcome: 'cancelled', status: 'cancelled' }
        case 'flagged': {
          const task = await waitForEnd(taskId, CANCEL_WAIT_MS, NEVER)
          if (task && !isEnded(task.status)) void cancelAgain([taskId], reason, by.requestedBy)
          return { outcome: 'cancelled', status: task?.status ?? 'cancelled' }
        }
      }
    },

    async cancelMany(filter, by) {
      const cancelled: string[] = []
      const skipped: { task_id: string; reason: string }[] = []
      const ids = 'task_ids' in filter ? [...new Set(filter.task_ids)] : await idsOf(filter)
      const reason = by.reason ?? 'task cancelled by user'
      const flagged: string[] = []
      for (const id of ids) {
        const result = await cancelOne(id, reason, by.requestedBy)
        if (result.verdict === 'flagged') flagged.push(id)
        if (result.verdict === 'not_found') skipped.push({ task_id: id, reason: 'no such task' })
        else if (result.verdict === 'ended') skipped.push({ task_id: id, reason: `already ${result.status}` })
        else cancelled.push(id)
      }
      if (flagged.length > 0) void cancelAgain(flagged, reason, by.requestedBy)
      return { cancelled, skipped }
    },
  }

  async function idsOf(filter: { session_id: string } | { status: TaskStatus[] }): Promise<string[]> {
    const statuses: TaskStatus[] = 'status' in filter ? filter.status : UNFINISHED
    const ids = new Set<string>()
    let cursor = ''
    do {
      const page = await store.list({
        limit: 1000,
        cursor,
        statuses,
        sessionId: 'session_id' in filter ? filter.session_id : '',
        text: '',
        budget: RECORDS_A_CALL,
      })
      for (const record of page.records) ids.add(record.id)
      cursor = page.next ?? ''
    } while (cursor !== '')
    return [...ids]
  }
}

const NEVER = new AbortController().signal
const UNFINISHED: TaskStatus[] = ['running', 'waiting', 'pending']

const digest = (text: string) => createHash('sha256').update(text).digest('hex')

/** The same parsed body gives the same text, whatever order its fields came in. */
const canonical = (input: CreateTask): string =>
  JSON.stringify(input, (_, value: unknown) =>
    value !== null && typeof value === 'object' && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  )

const firstLine = (text: string): string => (text.trim().split('\n')[0] ?? '').slice(0, 80)

const Place = z.tuple([z.number(), z.string()])
const Cursor = z.strictObject({
  group: z.number().int().min(1).max(4),
  place: Place.optional(),
  seen: z.array(Place).max(4),
})

/** Only what `list.lua` itself made is let through to it. */
const decodeCursor = (cursor: string): string => {
  try {
    return JSON.stringify(Cursor.parse(JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'))))
  } catch {
    throw new InvalidRequest('invalid_cursor', 'this cursor is none of ours', [
      { path: 'cursor', message: 'take it from the Link header of the page before' },
    ])
  }
}
