/**
 * A session as a file: JSON, one task and one event a line, so that neither side holds a large session whole.
 *
 *     {"v":1,"session_id":…,"title":…,"last_id":…,…,
 *     "todos":[…],
 *     "tasks":[
 *     {…},
 *     …
 *     ],
 *     "events":[
 *     {"id":…,"task":…,"seq":…,"at":…,"type":…,"data":{…}},
 *     …
 *     ],
 *     "event_count":…}
 */
import { createReadStream } from 'node:fs'
import { z } from 'zod'
import { messageOf } from '../errors.ts'

const LogId = z.string().regex(/^\d{1,20}-\d{1,20}$/)

export const MirrorHead = z.object({
  v: z.literal(1),
  session_id: z.string(),
  title: z.string(),
  created_at: z.iso.datetime(),
  updated_at: z.iso.datetime(),
  /** Of the log when the mirror was written. */
  last_id: LogId,
  /** Entries up to here may be missing. */
  trimmed_to: LogId.exactOptional(),
  /** Which session it began as a copy of, and up to where its log is that copy. */
  forked: z.object({ from: z.string(), to: LogId.exactOptional() }).exactOptional(),
  task_count: z.number().int(),
  /** What its model calls used, as its hash counts it. */
  used: z.record(z.string().startsWith('used:'), z.string().regex(/^\d{1,15}$/)).exactOptional(),
})
export type MirrorHead = z.infer<typeof MirrorHead>

/** An entry of the log; `at` is RFC 3339, `data` the payload, secrets masked. */
export const MirrorEvent = z.object({
  id: LogId,
  task: z.string(),
  seq: z.number().int(),
  at: z.iso.datetime(),
  type: z.string(),
  data: z.record(z.string(), z.unknown()),
  parent: z.string().exactOptional(),
})
export type MirrorEvent = z.infer<typeof MirrorEvent>

/** A task's record as Redis has it, secrets masked. */
const MirrorTask = z.record(z.string(), z.string())
type MirrorTask = z.infer<typeof MirrorTask>

export interface MirrorContent {
  head: MirrorHead
  todos: unknown
  tasks: AsyncIterable<MirrorTask>
  /** In pages. */
  events: AsyncIterable<MirrorEvent[]>
}

/** The text of the file, in pieces. */
export async function* mirrorText({ head, todos, tasks, events }: MirrorContent): AsyncGenerator<string> {
  yield `${JSON.stringify(head).slice(0, -1)},\n"todos":${JSON.stringify(todos)},\n"tasks":[`
  let comma = ''
  for await (const task of tasks) {
    yield `${comma}\n${JSON.stringify(task)}`
    comma = ','
  }
  yield '\n],\n"events":['
  comma = ''
  let count = 0
  for await (const page of events) {
    if (page.length === 0) continue
    yield `${comma}\n${page.map((event) => JSON.stringify(event)).join(',\n')}`
    comma = ','
    count += page.length
  }
  yield `\n],\n"event_count":${count}}\n`
}

/** The file is no whole mirror; the message says what is wrong with it. */
export class MirrorUnreadable extends Error {
  override name = 'MirrorUnreadable'
}

export type MirrorPart =
  | { kind: 'head'; head: MirrorHead }
  | { kind: 'todos'; todos: unknown[] }
  | { kind: 'task'; task: MirrorTask }
  | { kind: 'event'; event: MirrorEvent }

/**
 * The parts in the file's order, each checked. Throws `MirrorUnreadable` when the file is missing, cut off or
 * changed in its form; whoever has read to the end has read all of it.
 */
export async function* readMirror(file: string): AsyncGenerator<MirrorPart> {
  let events = 0
  let part: 'head' | 'todos' | 'tasks' | 'events' | 'end' = 'head'
  let number = 0
  try {
    for await (const line of linesOf(file)) {
      number += 1
      if (part === 'end') throw new Error('something follows the end')
      if (part === 'head') {
        yield { kind: 'head', head: parseHead(line) }
        part = 'todos'
      } else if (part === 'todos') {
        const text = /^"todos":(.*),$/.exec(line)?.[1] ?? ''
        yield { kind: 'todos', todos: z.array(z.unknown()).parse(JSON.parse(text)) }
        part = 'tasks'
      } else if (line === '"tasks":[' || line === '"events":[') {
        part = line === '"tasks":[' ? 'tasks' : 'events'
      } else if (line === '],') {
        continue
      } else if (line.startsWith('"event_count":')) {
        if (line !== `"event_count":${events}}`) throw new Error(`${events} events, but ${line}`)
        part = 'end'
      } else if (part === 'tasks') {
        yield { kind: 'task', task: MirrorTask.parse(JSON.parse(line.replace(/,$/, ''))) }
      } else {
        events += 1
        yield { kind: 'event', event: MirrorEvent.parse(JSON.parse(line.replace(/,$/, ''))) }
      }
    }
    if (part !== 'end') throw new Error('the file ends too early')
  } catch (error) {
    throw new MirrorUnreadable(`line ${number} of ${file}: ${messageOf(error)}`, { cause: error })
  }
}

/** The head alone, however long the file is. Throws `MirrorUnreadable`. */
export const readMirrorHead = async (file: string): Promise<MirrorHead> => {
  for await (const part of readMirror(file)) if (part.kind === 'head') return part.head
  throw new MirrorUnreadable(`${file} has no head`)
}

const parseHead = (line: string): MirrorHead => MirrorHead.parse(JSON.parse(line.replace(/,$/, '}')))

/** Only at `\n`: a text may hold what else separates lines. */
async function* linesOf(file: string): AsyncGenerator<string> {
  let rest = ''
  for await (const chunk of createReadStream(file, { encoding: 'utf8', highWaterMark: 256 * 1024 })) {
    const lines = (rest + String(chunk)).split('\n')
    rest = lines.pop() ?? ''
    yield* lines
  }
  if (rest !== '') yield rest
}
