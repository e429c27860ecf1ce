/** What the console shows of a task or a session: a fold over its events, live frames included. */
import type { DurableEvent, StreamEvent } from '../../client/client.ts'
import { applyDurable } from './durable.ts'
import { type Conversation, type Draft, type Item, stepKey, type TaskProgress, toolKey } from './items.ts'
import { extended } from './live-text.ts'

export const EMPTY: Conversation = { items: [], tasks: new Map(), places: new Map() }

/** A new conversation with these events; the old one is left as it was. An event that was applied before changes nothing. */
export const withEvents = (before: Conversation, events: readonly StreamEvent[]): Conversation => {
  const items = [...before.items]
  const places = new Map(before.places)
  const tasks = new Map(before.tasks)
  const draft: Draft = {
    put(item) {
      const at = places.get(item.key)
      if (at !== undefined) items[at] = item
      else places.set(item.key, items.push(item) - 1)
    },
    find<K extends Item['kind']>(kind: K, key: string) {
      const item = items[places.get(key) ?? -1]
      return isKind(item, kind) ? item : undefined
    },
    progress: (taskId) => tasks.get(taskId) ?? FRESH,
    setProgress: (taskId, change) => void tasks.set(taskId, { ...(tasks.get(taskId) ?? FRESH), ...change }),
  }
  for (const event of events) apply(draft, event)
  return { items, places, tasks }
}

const FRESH: TaskProgress = {
  status: 'pending',
  seq: 0,
  iteration: 0,
  maxIterations: 0,
  tokens: 0,
  costUsd: 0,
}

const isKind = <K extends Item['kind']>(
  item: Item | undefined,
  kind: K,
): item is Extract<Item, { kind: K }> => item?.kind === kind

const apply = (draft: Draft, event: StreamEvent): void => {
  switch (event.event_type) {
    case 'assistant_message': {
      const step = draft.find('step', stepKey(event.task_id, event.iteration))
      // A piece that was overtaken by the whole.
      if (!step?.live) return
      return draft.put({ ...step, answer: extended(step.answer, event.offset, event.delta) })
    }
    case 'tool_call_stream': {
      const tool = draft.find('tool', toolKey(event.task_id, event.call_id))
      if (tool === undefined || tool.result !== undefined) return
      return draft.put({ ...tool, output: extended(tool.output, event.offset, event.chunk) })
    }
    case 'log_truncated':
      return draft.put({
        kind: 'note',
        key: `truncated/${event.first}`,
        taskId: '',
        at: '',
        tone: 'warning',
        text: 'Earlier events are no longer kept.',
      })
    default:
      return applyOnce(draft, event)
  }
}

const applyOnce = (draft: Draft, event: DurableEvent): void => {
  if (event.seq <= draft.progress(event.task_id).seq) return
  draft.setProgress(event.task_id, { seq: event.seq })
  applyDurable(draft, event)
}
